"""The quick way from a line of the native log to its document: parts known already are joined.

Every document could be made the plain way (record, event, encoder), which stays the rule that
this one is held to, byte for byte. A line that is unusual in any field is left to the plain way.
What differs from line to line is text of the line itself: it is spliced in as it is, and only
when no character of it needs an escape.
"""

import re
from typing import Final

from auditship_agent.normalize import Normalizer, build
from auditship_agent.normalize.known import Known
from auditship_agent.parsing.native import SCOPES, VERSION, NativePreset
from auditship_agent.parsing.native_shape import File, Native, Share
from auditship_agent.pipeline.fragments import Fragments, file_of, group, share_of

_ESCAPED: Final = re.compile(r'[\x00-\x1f"\\]')


class Splicer:
    """Joins the documents of one source. `edition` tells of another country database."""

    def __init__(self, preset: NativePreset, normalizer: Normalizer) -> None:
        self.preset = preset
        self._seconds = preset.seconds
        self._normalizer = normalizer
        self._region = normalizer.region
        self._edition = normalizer.edition
        parts = Fragments(preset, normalizer)
        self._host = parts.host
        self._people, self._acts, self._clients = parts.people, parts.acts, parts.clients
        self._programs, self._storages = parts.programs, parts.storages
        self._workspaces = parts.workspaces

    def time_of(self, native: Native, raw: bytes) -> int | None:
        """Return the Unix ms of a line that `document` may try, None for any other line."""
        if native.v != VERSION or native.time is None or _is_rare(native):
            return None
        if b"\\" in raw and _needs_escape(native):
            return None
        if native.region is not None and native.region != self._region:
            return None
        return self._seconds.canonical_ms(native.time)

    def document(self, native: Native, event_id: str, log: str) -> bytes | None:
        """Return the document, None when it has to be made the plain way.

        `native` passed `time_of`; `log` is the group of the line's place, with its comma.
        """
        if self._edition != self._normalizer.edition:
            self._edition = self._normalizer.edition
            self._clients.forget()
        who = self._people[native.actor, native.user, native.api_key]
        act = self._acts[native.action, native.result, native.reason]
        client = self._clients[native.ip]
        program = self._programs[native.user_agent]
        storage = self._storages[native.storage_region]
        if who is None or act is None or client is None or program is None or storage is None:
            return None
        file = b"" if native.file is None else _file(native.file)
        share = b"" if native.share is None else _share(native.share)
        if (
            file is None
            or share is None
            or (native.ip is None and not who.is_system)
            or (act.needs_workspace and (native.workspace is None or native.workspace.id is None))
            or (not file and act.needs_file)
            or (not storage and act.needs_storage)
            or (act.needs_share and (native.share is None or native.share.id is None))
        ):
            return None
        user_agent, device = program
        workspace = self._workspaces[native.workspace]
        parts = (
            f'{{"@timestamp":"{native.time}",'.encode(),
            who.head,
            device or who.device,
            act.result,
            b"" if native.id is None else f',"source_id":"{native.id}"'.encode(),
            act.verb,
            client,
            act.head,
            event_id.encode(),
            act.tail,
            file,
            f"{self._host}{_http(native)}{log}".encode(),
            share,
            storage,
            who.user,
            user_agent,
            workspace,
        )
        # The group of the workspace closes the document; seldom is another one the last.
        return b"".join(parts) if workspace else b"".join(parts)[:-1] + b"}"


def _is_rare(native: Native) -> bool:
    """Return whether a line has a group that few lines have."""
    return not (
        native.started is None
        and native.claimed_user is None
        and native.acting_as is None
        and native.target is None
        and native.target_key is None
        and native.group is None
        and native.permissions is None
        and native.organization is None
        and native.port is None
        and native.proxy_ip is None
        and native.device is None
        and native.service is None
        and native.protocol is None
        and native.trace_id is None
        and native.partial is None
        and native.rule is None
        and native.error is None
        and native.labels is None
        and (native.user is None or native.user.roles is None)
    )


def _needs_escape(native: Native) -> bool:
    """Return whether a text that is spliced in as it is has a character that JSON escapes."""
    texts = [native.id, native.request_id]
    if native.file is not None:
        file = native.file
        texts += [file.id, file.name, file.path, file.previous_name]
    if native.share is not None:
        texts.append(native.share.id)
    return any(text is not None and _ESCAPED.search(text) for text in texts)


def _http(native: Native) -> str:
    if (
        native.method is None
        and native.status is None
        and native.bytes_in is None
        and native.bytes_out is None
    ):
        request_id = native.request_id
        return "" if request_id is None else f'"http":{{"request":{{"id":"{request_id}"}}}},'
    return group(b"http", build.http_of(native)).decode()


def _share(share: Share) -> bytes | None:
    """Return `share`; the usual one has an id, and at most its scope."""
    scope = share.scope
    if share.id is None or not (scope is None or scope in SCOPES) or not _is_bare(share):
        return share_of(share)
    end = "" if scope is None else f',"scope":"{scope}"'
    return f'"share":{{"id":"{share.id}"{end}}},'.encode()


def _is_bare(share: Share) -> bool:
    return (
        share.owner is None
        and share.attempt is None
        and share.allowed_domains is None
        and share.allowed_ips is None
        and share.password_protected is None
        and share.expires_at is None
        and share.max_downloads is None
    )


def _file(file: File) -> bytes | None:
    """Return `file`; the usual one has id, name, path or size, and at most a previous name."""
    name, path = file.name, file.path
    if name is None or file.id is None or not _is_usual(file):
        return file_of(file)
    if path is None:
        begin = end = ""
    elif path[0] == "/" != path[-1]:
        begin = f'"directory":"{path[: path.rfind("/")] or "/"}",'
        end = f',"path":"{path}"'
    else:
        return file_of(file)
    if file.previous_name is not None:
        end += f',"previous":{{"name":"{file.previous_name}"}}'
    if file.size is not None:
        end += f',"size":{file.size}'
    dot = name.rfind(".")
    extension = _EXTENSIONS[name[dot + 1 :]] if dot >= 0 else ""
    return f'"file":{{{begin}{extension}"id":"{file.id}","name":"{name}"{end}}},'.encode()


def _is_usual(file: File) -> bool:
    return (
        file.type is None
        and file.version is None
        and file.sha256 is None
        and file.mime_type is None
        and file.folder_id is None
        and file.previous_path is None
    )


def _extension(text: str) -> str:
    """Return the extension of a name that ends with a dot and `text`."""
    extension = build.extension_of("." + text, None)
    return "" if extension is None else f'"extension":"{extension}",'


_EXTENSIONS: Final = Known(_extension)
