"""The vendor's temporary store, pretended: credentials, uploads by its rules, and what lies there.

A credential lives for 300 seconds and serves many files; a file lives for 48 hours, can't be
overwritten, and is bound to the model of its credential. Refusals are XML, as an object store's.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock

from aiohttp import BodyPartReader, MultipartReader, web

from s2v_detect._service import MODEL
from s2v_detect.emulator._asking import access_refused
from s2v_detect.emulator._script import Error

UPLOADS_PATH = "/uploads"
STORE_PATH = "/store"

_CREDENTIAL_S = 300.0
_FILE_S = 48 * 3600.0
_MOST_MB = 100
_FIELDS = (
    "OSSAccessKeyId",
    "Signature",
    "policy",
    "key",
    "x-oss-object-acl",
    "x-oss-forbid-overwrite",
    "success_action_status",
)
_DIRECTORY = "dashscope-instant/emulator"
_LONGEST_FIELD_BYTES = 65_536


@dataclass(frozen=True)
class _Credential:
    signature: str
    directory: str
    model: str
    expires_at: float


@dataclass(frozen=True)
class StoredFile:
    """A file in the store."""

    content: bytes
    identity: str
    """`sha256:` and the hash of its content."""
    model: str
    expires_at: float
    fields: Mapping[str, str]
    """Of the form it came in, in their order."""


class Refused(Exception):
    """What the store answers when it takes no upload."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Store:
    """What was uploaded, by the object store's rules, on the emulator's clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._credentials: dict[str, _Credential] = {}
        self._files: dict[str, StoredFile] = {}
        self.granted = 0
        """Credentials given out."""
        self.uploaded = 0
        """Files taken."""
        self.max_file_size_mb: float = _MOST_MB

    def add_routes(self, application: web.Application, base_path: str, api_key: str) -> None:
        """Serve the credentials and the store itself."""

        async def grant(request: web.Request) -> web.StreamResponse:
            error = access_refused(request.headers, api_key) or _ill_asked(request.query)
            if error:
                reply = error.reply(secrets.token_hex(16), "200")
                return web.Response(
                    status=reply.status, body=reply.content, content_type="application/json"
                )
            return web.json_response(
                self._granted(request.query["model"], f"{request.scheme}://{request.host}")
            )

        application.router.add_get(base_path + UPLOADS_PATH, grant)
        application.router.add_post(STORE_PATH, self._upload)

    def file(self, url: str) -> StoredFile | None:
        """Return the file of an `oss://` address, as long as it lives, if it is for our model."""
        with self._lock:
            file = self._files.get(url.removeprefix("oss://"))
        is_ours = file and file.model == MODEL and self._clock() < file.expires_at
        return file if is_ours else None

    def is_ours(self, url: str) -> bool:
        """Whether an address is one of this store."""
        return url.startswith(f"oss://{_DIRECTORY}/")

    def drop(self, url: str) -> None:
        """Lose a file before its time."""
        with self._lock:
            self._files.pop(url.removeprefix("oss://"), None)

    def _granted(self, model: str, origin: str) -> dict[str, object]:
        policy, signature = secrets.token_urlsafe(64), secrets.token_urlsafe(20)
        directory = f"{_DIRECTORY}/{secrets.token_hex(8)}"
        now = self._clock()
        credential = _Credential(signature, directory, model, now + _CREDENTIAL_S)
        with self._lock:
            self.granted += 1
            self._files = {key: each for key, each in self._files.items() if now < each.expires_at}
            self._credentials[policy] = credential
        return {
            "request_id": secrets.token_hex(16),
            "data": {
                "policy": policy,
                "signature": signature,
                "upload_dir": directory,
                "upload_host": origin + STORE_PATH,
                "expire_in_seconds": int(_CREDENTIAL_S),
                "max_file_size_mb": str(self.max_file_size_mb),  # numbers come as text too
                "capacity_limit_mb": "999999999",
                "oss_access_key_id": "LTAIemulator",
                "x_oss_object_acl": "private",
                "x_oss_forbid_overwrite": "true",
            },
        }

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        try:
            await self._take(await _form(request))
        except Refused as refused:
            told = f"<Code>{refused.code}</Code><Message>{refused}</Message>"
            return web.Response(
                status=refused.status,
                text=f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{told}</Error>',
                content_type="application/xml",
            )
        return web.Response()

    async def _take(self, form: MultipartReader) -> None:
        fields: dict[str, str] = {}
        while part := await form.next():
            if not isinstance(part, BodyPartReader):
                raise Refused(400, "MalformedPOSTRequest", "The body is nested.")
            if part.name == "file":
                credential = self._allowed(fields)
                await self._keep(fields, credential, part)
                return  # what follows the file is not looked at
            content = await part.read(decode=False)
            fields[part.name or ""] = bytes(content[:_LONGEST_FIELD_BYTES]).decode()
        raise Refused(400, "IncorrectNumberOfFilesInPOSTRequest", "There must be one file.")

    def _allowed(self, fields: Mapping[str, str]) -> _Credential:
        if missing := [name for name in _FIELDS if name not in fields]:
            raise Refused(400, "InvalidArgument", f"{missing[0]} must come before the file.")
        with self._lock:
            credential = self._credentials.get(fields["policy"])
            is_taken = fields["key"] in self._files
        if credential is None or credential.signature != fields["Signature"]:
            raise Refused(403, "SignatureDoesNotMatch", "The signature does not match.")
        if self._clock() >= credential.expires_at:
            raise Refused(403, "AccessDenied", "Invalid according to Policy: Policy expired.")
        if not fields["key"].startswith(f"{credential.directory}/"):
            raise Refused(403, "AccessDenied", "Invalid according to Policy: the key.")
        if is_taken:
            raise Refused(409, "FileAlreadyExists", "The object can not be overwritten.")
        return credential

    async def _keep(
        self, fields: dict[str, str], credential: _Credential, part: BodyPartReader
    ) -> None:
        content = bytearray()
        while piece := await part.read_chunk(65_536):
            content += piece
            if len(content) > self.max_file_size_mb * 2**20:
                raise Refused(400, "EntityTooLarge", "The file is larger than allowed.")
        expires_at = self._clock() + _FILE_S
        identity = f"sha256:{sha256(content).hexdigest()}"
        file = StoredFile(bytes(content), identity, credential.model, expires_at, fields)
        with self._lock:
            self._files[fields["key"]] = file
            self.uploaded += 1


async def _form(request: web.Request) -> MultipartReader:
    if "Authorization" in request.headers:
        raise Refused(400, "InvalidArgument", "Only one auth mechanism is allowed.")
    if not request.content_type.startswith("multipart/"):
        raise Refused(412, "PreconditionFailed", "Bucket POST must be multipart/form-data.")
    return await request.multipart()


def _ill_asked(query: Mapping[str, str]) -> Error | None:
    if query.get("action") != "getPolicy":
        return Error(400, "InvalidParameter", "action must be getPolicy.")
    if not query.get("model"):
        return Error(400, "InvalidParameter", "model is missing.")
    return None
