// What the page says, in both languages. A text in braces is a value.

const person = {
  en: "Use a portrait of one person, alone in the picture.",
  zh: "请使用单人照，画面中只能有一个人。",
};
const front = {
  en: "Use a picture taken from the front, the whole face free and turned to the camera.",
  zh: "请使用正面拍摄的照片：正对镜头，面部完整、没有遮挡。",
};
const size = {
  en: "Scale or crop it: each side from 400 to 7,000 pixels.",
  zh: "请缩放或裁剪：宽和高都在 400 到 7,000 像素之间。",
};
const format = { en: "Save it as JPEG, PNG, BMP or WEBP.", zh: "请另存为 JPEG、PNG、BMP 或 WEBP 格式。" };
const another = { en: "Use another picture.", zh: "请换一张图片。" };

// Of a rejected portrait, by the service's code: what was seen, and what to do.
const REASONS = {
  NoHuman: [{ en: "No person was found.", zh: "没有检测到人。" }, person],
  NoHumanFace: [{ en: "No face was found.", zh: "没有检测到人脸。" }, person],
  InvalidPerson: [{ en: "No person that can be used was found.", zh: "没有检测到符合要求的人像。" }, person],
  MultiHuman: [{ en: "More than one person is in the picture.", zh: "画面中不止一个人。" }, person],
  BodyProportion: [
    { en: "The person takes up too much or too little of the picture.", zh: "人物在画面中占得太多或太少。" },
    { en: "Crop it anew.", zh: "请重新裁剪。" },
  ],
  FacePose: [{ en: "The face is turned away.", zh: "脸没有正对镜头。" }, front],
  FullFace: [{ en: "The face is not whole, or something covers it.", zh: "面部不完整，或者有遮挡。" }, front],
  FrontBody: [{ en: "The body is not seen from the front.", zh: "身体不是正面。" }, front],
  FullBody: [
    { en: "The body is not whole.", zh: "身体没有拍全。" },
    { en: "Use a picture that shows more of the person.", zh: "请使用人物拍得更完整的照片。" },
  ],
  BodyPose: [
    { en: "The pose can't be used.", zh: "姿势不符合要求。" },
    { en: "Use an upright, quiet pose.", zh: "请使用身体端正、姿势自然的照片。" },
  ],
  Value: [{ en: "It is too dark.", zh: "照片太暗。" }, { en: "Use a brighter picture.", zh: "请换一张明亮些的照片。" }],
  Content: [{ en: "Its content can't be used.", zh: "图片内容不符合要求。" }, another],
  Resolution: [{ en: "Its size in pixels is out of bounds.", zh: "图片的分辨率超出范围。" }, size],
  ImageSize: [{ en: "Its size is out of bounds.", zh: "图片尺寸超出范围。" }, size],
  Size: [{ en: "The file is too large.", zh: "文件太大。" }, { en: "Save it smaller: at most 5 MB.", zh: "请压缩到 5 MB 以内再保存。" }],
  AspectRatio: [{ en: "It is too wide or too tall.", zh: "图片太宽或太高。" }, { en: "Crop it.", zh: "请裁剪一下。" }],
  Format: [{ en: "The format can't be read.", zh: "无法识别图片格式。" }, format],
  FileFormat: [{ en: "The format can't be read.", zh: "无法识别图片格式。" }, format],
  Openerror: [
    { en: "The file can't be opened.", zh: "文件打不开。" },
    { en: "Save it anew; it may be damaged.", zh: "文件可能已损坏，请重新保存一份。" },
  ],
};
const OTHER_REASON = [{ en: "The service gave no reason that is known here.", zh: "未通过，原因不在已知之列。" }, another];

// Of a check that gave no verdict, by the last part of its problem's type.
const PROBLEMS = {
  "image-skipped": [
    { en: "This can't be checked", zh: "无法检测这张图片" },
    {
      en: "It was not sent.",
      zh: "图片未发送。请使用 JPEG、PNG、BMP 或 WEBP 图片，宽和高都在 400 到 7,000 像素之间；或使用以 http(s) 开头的公网地址。",
    },
  ],
  "image-unusable": [
    { en: "The picture could not be fetched", zh: "无法获取这张图片" },
    {
      en: "See that the address opens without a login, from China too, and shows a picture; or choose the file itself.",
      zh: "请确认这个地址在中国大陆不用登录就能打开，而且是一张图片；也可以直接选择文件。",
    },
  ],
  "image-refused": [
    { en: "The picture was not accepted", zh: "图片未被接受" },
    { en: "Use another picture, or another address.", zh: "请换一张图片或换一个地址。" },
  ],
  busy: [
    { en: "Too many people are waiting", zh: "排队的人太多" },
    { en: "It was not sent. Try again in about {seconds} s.", zh: "图片未发送。请约 {seconds} 秒后重试。" },
  ],
  "not-sent": [
    { en: "The service can't be reached", zh: "暂时无法连接检测服务" },
    { en: "The picture was not sent. Try again later.", zh: "图片未发送，请稍后重试。" },
  ],
  "service-unavailable": [
    { en: "The service has a fault", zh: "检测服务出现故障" },
    { en: "Try again later.", zh: "请稍后重试。" },
  ],
  "outcome-unknown": [
    { en: "No answer came", zh: "没有收到结果" },
    { en: "The picture was sent, and its answer was lost. Try again.", zh: "图片已发送，但结果丢失，请重试。" },
  ],
  unavailable: [
    { en: "Pictures can't be checked now", zh: "目前无法检测图片" },
    { en: "Try again later.", zh: "请稍后重试。" },
  ],
  "too-large": [
    { en: "The file is too large", zh: "文件太大" },
    { en: "At most 5 MB. It was not sent.", zh: "最大 5 MB，图片未发送。" },
  ],
  lost: [
    { en: "The connection was lost", zh: "连接中断" },
    { en: "A portrait that was checked meanwhile is known: try again.", zh: "如果期间已经检测完，结果会保留，请重试。" },
  ],
};

const WORDS = {
  en: {
    brand: "Portrait check",
    title: "Can this portrait speak?",
    lead: "See whether a portrait may be used to generate a talking video.",
    choose: "Choose pictures",
    drop: "or drop or paste them here",
    address: "The address of a picture",
    check: "Check",
    samples: "Or try one of these:",
    samplePortrait: "Check the sample: a portrait",
    sampleCoffee: "Check the sample: a cup of coffee",
    sampleCat: "Check the sample: a cat, too small",
    rules: "One person, seen from the front. JPEG, PNG, BMP or WEBP, 400 to 7,000 pixels a side, at most 5 MB.",
    footer: "A picture goes to the service that checks it. While you wait in line you may leave: then nothing is sent.",
    checks: "Checks, the newest first",
    noAddress: "Give an address that begins with https:// or http://",
    held: "Waits for your other pictures",
    sending: "On its way",
    ahead: "{ahead} people are before you",
    aheadOne: "One person is before you",
    next: "You are next",
    seconds: "Your turn comes in about {seconds} s",
    soon: "Your turn comes now",
    sent: "Being checked",
    sentMore: "The answer comes in a moment.",
    passed: "This portrait can be used",
    passedMore: "One person, well seen.",
    rejected: "This portrait can't be used",
    known: "Known from an earlier check.",
    left: "You left the line",
    leftMore: "Nothing was sent.",
    leave: "Leave the line",
    again: "Try again",
    remove: "Remove",
  },
  zh: {
    brand: "人像检测",
    title: "这张人像能开口说话吗？",
    lead: "检测一张人像照片能否用于生成说话视频。",
    choose: "选择图片",
    drop: "或拖放、粘贴到这里",
    address: "图片地址",
    check: "检测",
    samples: "或试试这些：",
    samplePortrait: "检测示例：人像",
    sampleCoffee: "检测示例：一杯咖啡",
    sampleCat: "检测示例：一只猫，分辨率太低",
    rules: "单人、正面。JPEG、PNG、BMP 或 WEBP，宽和高都在 400 到 7,000 像素之间，最大 5 MB。",
    footer: "图片会发送给检测服务。排队时可以随时离开，离开后什么都不会发送。",
    checks: "检测记录，最新的在前",
    noAddress: "请输入以 https:// 或 http:// 开头的地址",
    held: "等待您的其他图片",
    sending: "正在提交",
    ahead: "您前面还有 {ahead} 人",
    aheadOne: "您前面还有 1 人",
    next: "马上轮到您",
    seconds: "大约还需等待 {seconds} 秒",
    soon: "即将开始",
    sent: "正在检测",
    sentMore: "结果马上就来。",
    passed: "这张人像可以使用",
    passedMore: "单人，清晰可见。",
    rejected: "这张人像不能使用",
    known: "结果来自之前的检测。",
    left: "您已离开队列",
    leftMore: "没有发送任何内容。",
    leave: "离开队列",
    again: "重试",
    remove: "移除",
  },
};

let language = "en";

/** Choose the language: "en" or "zh". */
export function speak(chosen) {
  language = chosen;
}

/** Return a text of the page in the language that is chosen. */
export function words(name, values = {}) {
  return filled(WORDS[language][name], values);
}

/** Return why a portrait was rejected, and what to do. */
export function reason(code) {
  const short = code.replace(/^InvalidFile\.|^InvalidImage\.?/, "");
  const [seen, toDo] = REASONS[short] ?? OTHER_REASON;
  const space = language === "en" ? " " : "";
  return seen[language] + space + toDo[language];
}

/** Return what a problem is called, and what to do. */
export function problem(kind, values = {}) {
  const [title, more] = PROBLEMS[kind] ?? PROBLEMS.unavailable;
  return [title[language], filled(more[language], values)];
}

function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}
