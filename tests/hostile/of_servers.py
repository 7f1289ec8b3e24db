"""Answers of servers that are not the file. Each server runs on this machine, while its command does."""

import io
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from hostile.cases import case, put
from hostile.of_archives import declare

# A data set that is downloaded from the server of a case.
_PLUGIN = """
from tsal.data.landmarks import SCHEMES
from tsal.datasets import Dataset, Published
URL = "{url}"
DATASET = Dataset(
    name="strange", title="", archives={{"{name}": ()}}, urls={{"{name}": URL}}, scheme="68",
    published={{URL: Published({size})}}, normalisers=("inter-ocular",), has_clips=False,
)
"""


class _Handler(BaseHTTPRequestHandler):
    """Answers as `answer` of its server says: status, headers, content."""

    def do_GET(self) -> None:
        status, headers, content = self.server.answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            for part in content if isinstance(content, list) else [content]:
                self.wfile.write(part)
        except ConnectionError:
            pass  # who was sent nonsense hangs up

    def log_message(self, *args: object) -> None:
        pass


def download(
    folder, status: int, headers: dict[str, str], content: object, name: str = "strange.zip", size: object = None
) -> list[str]:
    """Download from a server that ends with this process."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads, server.answer = True, (status, headers, content)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/{name}"
    put(folder, "plugins/datasets/strange.py", _PLUGIN.format(url=url, name=name, size=size))
    return ["download", "strange", "--raw-dir", "raw"]


def answer(title: str, *what: object, named: str = "strange.zip", alone: bool = False, **options: object) -> None:
    environment = (("TSAL_PLUGINS", "plugins"), ("PYTHONDONTWRITEBYTECODE", "1"))
    case("server answers", title, named, environment=environment, alone=alone)(
        lambda folder: download(folder, *what, **options)
    )


def zip_of(**members: bytes) -> bytes:
    with zipfile.ZipFile(file := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def tar_with_hole() -> bytes:
    info = tarfile.TarInfo("a")
    info.type = tarfile.GNUTYPE_SPARSE
    return info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)


PAGE = b"<!DOCTYPE html><title>Sign in</title>"
WHOLE = zip_of(a=b"x" * 1000)
answer("a page of a login", 200, {"Content-Length": str(len(PAGE))}, PAGE, alone=True)
answer("a page that begins like a zip", 200, {"Content-Type": "text/html"}, WHOLE)
answer("nothing", 200, {"Content-Length": "0"}, b"")
answer("no content (204)", 204, {}, b"")
answer("a length of letters", 200, {"Content-Length": "abc"}, WHOLE)
answer("a length below nothing", 200, {"Content-Length": "-1"}, WHOLE)
answer("a length of 5,000 digits", 200, {"Content-Length": "9" * 5000}, WHOLE)
answer("a length that fills any disk", 200, {"Content-Length": str(10**12)}, WHOLE)
answer("a part that nobody asked for, of another length", 200, {"Content-Length": "1000"}, WHOLE, size=2000)
answer("what is no archive", 200, {}, b"no archive")
answer("a zip that is cut off", 200, {}, WHOLE[:-30])
answer("a zip of which a checksum is wrong", 200, {}, WHOLE.replace(WHOLE[14:18], b"abcd"))
answer("a tar with a hole", 200, {}, tar_with_hole(), name="strange.tar.gz", named="strange.tar.gz")
answer("more than was expected, without end", 200, {}, [b"PK" + bytes(1 << 20)] * 1000, size=1 << 20)
answer("a way to a file of this machine", 302, {"Location": "file:///etc/hostname"}, b"")
answer("a way to an address that is not encrypted", 302, {"Location": "http://example.org/strange.zip"}, b"")
answer("a way to itself, again and again", 302, {"Location": "/strange.zip"}, b"")
answer("a refusal", 403, {}, b"no")


@case(
    "server answers",
    "a zip of 200 kB that unpacks to 4 GB",
    "strange.zip",
    environment=(("TSAL_PLUGINS", "plugins"), ("PYTHONDONTWRITEBYTECODE", "1")),
)
def _(folder):
    path = put(folder, "made.zip", zip_of(**{f"a{number}": bytes(1000) for number in range(4)}))
    for number in range(4):
        declare(path, f"a{number}", 1 << 30)
    content = path.read_bytes()
    path.unlink()
    return download(folder, 200, {}, content)
