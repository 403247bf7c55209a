-- The rule of `_waiting_list.py`, said once more for a server. `tests/limiters/test_redis_script.py`
-- runs the same values through both. The figures (EARLY_S and so on) are put before this text.
--
-- One hash is one line. `spacing` and `learnt` are written by the processes: what a pacer learns is
-- computed there, and is a text here. Here is arithmetic on what is in the hash, and nothing else.

local key, layout, owner = KEYS[1], ARGV[1], tonumber(ARGV[2])
local me = {owner, tonumber(ARGV[3]), tonumber(ARGV[4])} -- owner, rate, per_s, seen_at
local now = tonumber(ARGV[5]) -- a test's clock; else the server's own
if not now then
  local time = redis.call('TIME')
  now = time[1] + time[2] / 1e6
end
me[4] = now

local function numbers(text)
  local list = {}
  for word in string.gmatch(text or '', '%S+') do list[#list + 1] = tonumber(word) end
  return list
end

local function text_of(list)
  local words = {}
  for i, number in ipairs(list) do words[i] = string.format('%.17g', number) end
  return table.concat(words, ' ')
end

local function records(text, size)
  local flat, list = numbers(text), {}
  for first = 1, #flat - size + 1, size do
    list[#list + 1] = {unpack(flat, first, first + size - 1)}
  end
  return list
end

local function text_of_records(list)
  local texts = {}
  for i, record in ipairs(list) do texts[i] = text_of(record) end
  return table.concat(texts, ' ')
end

local function kept(list, is_kept)
  local result = {}
  for _, each in ipairs(list) do
    if is_kept(each) then result[#result + 1] = each end
  end
  return result
end

local NAMES = {'layout', 'id', 'is_empty', 'calls', 'used_at', 'over_at', 'sent', 'lessons',
  'learnt_at', 'spacing', 'learnt', 'lefts', 'members', 'wishes', 'claims'}
local line = {}
for i, text in ipairs(redis.call('HMGET', key, unpack(NAMES))) do line[NAMES[i]] = text end
local is_there = line.id and true or false
if is_there and line.layout ~= layout then return {'other'} end
for _, name in ipairs({'calls', 'used_at', 'sent', 'lessons', 'learnt_at'}) do
  line[name] = tonumber(line[name] or 0)
end

-- What a process knows of the line tells a new one from one whose last second is forgotten.
local known_id, known_calls, known_over_at = ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8])
local is_known = known_id ~= '' and now < known_over_at
local is_ahead = is_there and line.used_at > now + AHEAD_S
local is_empty = ARGV[9] == 'back' or is_ahead
if is_there then
  if line.id == known_id then
    is_empty = is_empty or line.calls < known_calls -- a replica without the last writes
  else
    is_empty = is_empty or (is_known and line.is_empty ~= '1')
  end
else
  is_empty = is_empty or is_known
end
local was_id = line.id
if not is_there or is_ahead then
  line = {calls = 0, sent = 0, lessons = 0, learnt_at = 0, learnt = '', spacing = ARGV[10]}
  if is_known and not is_ahead then -- what was learnt is not lost with the server
    line.spacing, line.learnt = ARGV[13], ARGV[14]
  end
end
if is_empty or not line.id then
  line.id = string.format('%.0f-%.6f', owner, now)
  line.is_empty = is_empty and '1' or '0'
end
line.calls = math.max(line.calls, known_calls) + 1

-- What this process learnt from the starts that it has seen.
local base_lessons, learnt_at = tonumber(ARGV[11]), tonumber(ARGV[12])
local is_lesson, is_learnt = ARGV[15] == 'learn', false
if known_id ~= '' and was_id == known_id and base_lessons == line.lessons and learnt_at <= line.sent
  and (learnt_at > line.learnt_at or (is_lesson and learnt_at == line.learnt_at)) then
  line.learnt_at, line.spacing, line.learnt = learnt_at, ARGV[13], ARGV[14]
  is_learnt = true
  if is_lesson then line.lessons = line.lessons + 1 end
end

local members, wishes, claims, lefts =
  records(line.members, 4), records(line.wishes, 6), records(line.claims, 2), numbers(line.lefts)
members = kept(members, function(member)
  if member[1] == owner then return false end
  if now - member[4] <= IDLE_S then return true end
  for _, wish in ipairs(wishes) do
    if wish[1] == member[1] and wish[5] >= now - IDLE_S then return true end
  end
  return false
end)
table.insert(members, 1, me)
local fastest, gap_s, slowest_s = me, me[3] / me[2], 0
for _, member in ipairs(members) do
  if member[3] < gap_s * member[2] then fastest, gap_s = member, member[3] / member[2] end
  slowest_s = math.max(slowest_s, member[3] / member[2])
end
local most_counted = math.min(fastest[2], MOST_COUNTED)
local counted = math.max(1, math.floor(most_counted))
local spaced, spanned, paused_until = unpack(numbers(line.spacing))
local even_s = most_counted * gap_s / most_counted
spaced, spanned = spaced * even_s, spanned * counted * even_s
paused_until = math.min(paused_until, now + LONGEST_RETRY_AFTER_S)
local own_gap_s = me[3] / me[2]

if is_empty then
  lefts, claims = {}, {}
  for i = 1, counted do lefts[i] = now end
  line.learnt_at = line.sent
end

local function by_time(a, b) return a[2] < b[2] end

local function sorted(list, is_less)
  local copy = {unpack(list)}
  table.sort(copy, is_less)
  return copy
end

local function push(list, at)
  list[#list + 1] = math.max(at, list[#list] or at)
end

local function count_left(at)
  push(lefts, at)
  line.sent = line.sent + 1
end

local function start_at(list, clock)
  local start = #list > 0 and list[#list] + spaced or clock
  if #list >= counted then start = math.max(start, list[#list - counted + 1] + spanned) end
  return math.max(start, paused_until)
end

local function foreseen()
  local list = {unpack(lefts)}
  for _, claim in ipairs(sorted(claims, by_time)) do push(list, claim[2]) end
  return list
end

local function from()
  local latest = math.max(now, lefts[#lefts] or now)
  for _, claim in ipairs(claims) do latest = math.max(latest, claim[2]) end
  return latest
end

local function drop_claim(at)
  for i, claim in ipairs(claims) do
    if claim[1] == owner and claim[2] == at then return table.remove(claims, i) end
  end
end

-- A wish is: owner, lane, waiting, place, due, passed.
local function is_before(a, b)
  if a[2] ~= b[2] then return a[2] < b[2] end
  if a[4] ~= b[4] then return a[4] < b[4] end
  return a[1] < b[1]
end

local function forget(lane)
  wishes = kept(wishes, function(each) return each[1] ~= owner or each[2] ~= lane end)
end

local function join(wish, not_before)
  local list, clock = foreseen(), from()
  local start = start_at(list, clock)
  local before = kept(wishes, function(each) return is_before(each, wish) end)
  for _, each in ipairs(sorted(before, function(a, b) return a[5] < b[5] end)) do
    if start + EARLY_S < each[5] then break end -- there is a start to spare before that one looks
    clock = math.max(start, each[5])
    push(list, clock)
    start = start_at(list, clock)
  end
  wish[5] = math.max(start, not_before, now)
  wishes[#wishes + 1] = wish
  return wish
end

local function was_taken(wish, start, about_to_look)
  if wish[2] < BULK or wish[6] == MOST_PASSED or wish[5] > now + EARLY_S then return false end
  if start - wish[5] > gap_s / 2 then return true end
  for _, each in ipairs(about_to_look) do
    if each[2] < BULK then return true end
  end
  return false
end

local function look(wish, not_before, following)
  forget(wish[2])
  local start = math.max(start_at(foreseen(), from()), not_before)
  local about_to_look = kept(wishes, function(each)
    return is_before(each, wish) and each[5] <= now + EARLY_S
  end)
  if #about_to_look == 0 and start <= now + EARLY_S then
    start = math.max(now, start)
    claims[#claims + 1] = {owner, start}
    if not following then return start, nil end
    return start, join(following, own_gap_s > gap_s and start + own_gap_s or -math.huge)
  end
  if was_taken(wish, start, about_to_look) then wish[4], wish[6] = now, wish[6] + 1 end
  return nil, join(wish, not_before)
end

local overdue_s = math.min(OVERDUE_S, math.max(SHORTEST_OVERDUE_S, OVERDUE_GAPS * gap_s))
wishes = kept(wishes, function(wish) return now <= wish[5] + overdue_s end)
for _, claim in ipairs(sorted(claims, by_time)) do
  if now - claim[2] > CLAIM_S then count_left(claim[2]) end
end
claims = kept(claims, function(claim) return now - claim[2] <= CLAIM_S end)

local work, start, answer = ARGV[15], nil, nil
if work == 'look' then
  local lane, waiting, place, due, passed, not_before, behind, behind_place =
    unpack(numbers(table.concat(ARGV, ' ', 16)))
  local following = behind > 0 and {owner, lane, behind, behind_place, math.huge, 0} or nil
  if place < 0 then place = now end
  if following and behind_place < 0 then following[4] = now end
  start, answer = look({owner, lane, waiting, place, due, passed}, not_before, following)
elseif work == 'leave' then
  forget(tonumber(ARGV[16]))
elseif work == 'left' then
  drop_claim(tonumber(ARGV[16]))
  count_left(tonumber(ARGV[17]))
elseif work == 'withdrawn' then
  drop_claim(tonumber(ARGV[16]))
elseif is_lesson and is_learnt then
  start = now
end

-- The window, one more (the slack of the newest), and what nobody has learnt from yet.
line.learnt_at = math.max(line.learnt_at, line.sent - MOST_UNLEARNT)
local needless = #lefts - (line.sent - line.learnt_at) - counted - 1
if needless > 0 then lefts = {unpack(lefts, needless + 1)} end

line.layout, line.used_at, line.over_at = layout, now, now + IDLE_S
for _, wish in ipairs(wishes) do line.over_at = math.max(line.over_at, wish[5] + IDLE_S) end
if #lefts > 0 then line.over_at = math.max(line.over_at, lefts[#lefts] + 2 * slowest_s) end
line.lefts, line.claims = text_of(lefts), text_of_records(claims)
line.members, line.wishes = text_of_records(members), text_of_records(wishes)

local fields, values = {}, {}
for i, name in ipairs(NAMES) do
  local value = line[name]
  values[i] = type(value) == 'number' and string.format('%.17g', value) or value or ''
  fields[2 * i - 1], fields[2 * i] = name, values[i]
end
redis.call('HSET', key, unpack(fields))
redis.call('PEXPIRE', key, string.format('%.0f', 1000 * math.min(line.over_at - now, MOST_KEPT_S)))
return {
  'ok', string.format('%.17g', now), start and string.format('%.17g', start) or '',
  answer and text_of({answer[3], answer[4], answer[5], answer[6]}) or '', unpack(values),
}
