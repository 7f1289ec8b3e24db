import contextlib
import errno
import hashlib
import os
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tsal.data import download as download_module
from tsal.data.download import MismatchError, download, untrusted
from tsal.errors import InputError

CONTENT = bytes(range(256)) * 4000  # 1,024,000 bytes
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Site:
    """A local web server and what it should do wrong."""

    url: str = ""
    content: bytes = CONTENT
    ranges: list[str | None] = field(default_factory=list)  # the Range header of each request
    drop_after: list[int] = field(default_factory=list)  # bytes after which each coming answer breaks off
    statuses: list[int] = field(default_factory=list)  # answers to the coming requests
    resumes: bool = True
    tells_size: bool = True
    headers: dict[str, str] = field(default_factory=dict)  # such as ETag, of every answer
    asked: list[dict[str, str]] = field(default_factory=list)  # the headers of each request


@pytest.fixture
def site():
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            asked = self.headers.get("Range")
            site.ranges.append(asked)
            site.asked.append(dict(self.headers))
            self.close_connection = True
            status = site.statuses.pop(0) if site.statuses else 200
            if status != 200:
                return self.answer(status, {}, b"")
            if not site.content:
                return self.answer(200, {}, b"")
            known = self.headers.get("If-Range") in (None, site.headers.get("ETag"), site.headers.get("Last-Modified"))
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and site.resumes and known else 0
            total = len(site.content)
            if start >= total:
                return self.answer(416, {"Content-Range": f"bytes */{total}"}, b"")
            headers = {"Content-Range": f"bytes {start}-{total - 1}/{total}"} if start else {}
            return self.answer(206 if start else 200, headers, site.content[start:])

        def answer(self, status, headers, body):
            self.send_response(status)
            if site.tells_size:
                headers = headers | {"Content-Length": str(len(body))}
            for name, value in (headers | site.headers).items():
                self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # who was sent nonsense hangs up
                self.wfile.write(body[: site.drop_after.pop(0)] if site.drop_after and body else body)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}/a.zip"
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(download_module.time, "sleep", lambda seconds: None)


def test_a_file_is_downloaded_and_checked(site, tmp_path):
    path = tmp_path / "new" / "a.zip"
    download(site.url, path, len(CONTENT), DIGEST.upper())
    assert path.read_bytes() == CONTENT
    assert os.listdir(path.parent) == ["a.zip"]
    assert site.ranges == [None]


def test_progress_is_shown(site, tmp_path, capsys):
    download(site.url, tmp_path / "a.zip")
    assert "download a.zip 1.0/1.0 (100 %)" in capsys.readouterr().err


def test_a_dropped_connection_is_resumed_where_it_ended(site, tmp_path, capsys):
    site.drop_after = [300_000, 200_000]
    download(site.url, tmp_path / "a.zip", sha256=DIGEST)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert site.ranges == [None, "bytes=300000-", "bytes=500000-"]
    assert "the connection ended after 300,000 of 1,024,000 bytes; trying again" in capsys.readouterr().err


def test_an_interrupted_run_is_resumed_by_the_next(site, tmp_path):
    site.headers, site.drop_after = {"ETag": '"a"'}, [400_000]
    site.statuses = [200, 503]
    with pytest.raises(InputError, match="go on from 400,000 bytes"):
        download(site.url, tmp_path / "a.zip", attempts=1)
    assert sorted(os.listdir(tmp_path)) == ["a.zip.part", "a.zip.part.tag"]
    download(site.url, tmp_path / "a.zip", sha256=DIGEST)
    assert site.ranges[-1] == "bytes=400000-"
    assert os.listdir(tmp_path) == ["a.zip"]


def test_a_server_that_does_not_resume_sends_the_file_from_its_start(site, tmp_path):
    site.resumes = False
    (tmp_path / "a.zip.part").write_bytes(b"x" * 1000)
    download(site.url, tmp_path / "a.zip", sha256=DIGEST)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def test_a_server_that_does_not_tell_the_size_is_believed(site, tmp_path):
    site.tells_size = False
    download(site.url, tmp_path / "a.zip", len(CONTENT), DIGEST)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def test_a_size_known_in_advance_finds_a_short_answer_of_unknown_size(site, tmp_path):
    site.tells_size = False
    site.drop_after = [1000]
    download(site.url, tmp_path / "a.zip", len(CONTENT), DIGEST)
    assert site.ranges == [None, "bytes=1000-"]


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_a_complete_part_is_only_renamed(site, tmp_path, size):
    (tmp_path / "a.zip.part").write_bytes(CONTENT)
    download(site.url, tmp_path / "a.zip", size, DIGEST)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert site.ranges == ([f"bytes={len(CONTENT)}-"] if size is None else [])


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_a_part_longer_than_the_file_is_thrown_away(site, tmp_path, size):
    (tmp_path / "a.zip.part").write_bytes(CONTENT + b"more")
    download(site.url, tmp_path / "a.zip", size, DIGEST)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def test_passing_errors_of_the_server_are_tried_again(site, tmp_path):
    site.statuses = [503, 429, 500]
    download(site.url, tmp_path / "a.zip", sha256=DIGEST)
    assert len(site.ranges) == 4


def test_a_refusal_is_not_tried_again(site, tmp_path):
    site.statuses = [404]
    with pytest.raises(InputError, match=rf"a\.zip: {site.url} answered 404 Not Found.*put it at .*a\.zip"):
        download(site.url, tmp_path / "a.zip")
    assert len(site.ranges) == 1


def test_attempts_that_bring_nothing_come_to_an_end(site, tmp_path):
    site.statuses = [503] * 10
    with pytest.raises(InputError, match="answered 503"):
        download(site.url, tmp_path / "a.zip", attempts=3)
    assert len(site.ranges) == 3


def test_without_a_connection_the_message_says_where_the_file_belongs(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/a.zip"
        with pytest.raises(InputError) as caught:
            download(url, tmp_path / "raw" / "a.zip", attempts=2)
    assert f"could not be downloaded from {url} (no connection: " in str(caught.value)
    assert str(caught.value).endswith(f"put it at {tmp_path / 'raw' / 'a.zip'}")


def test_another_size_than_expected_is_refused_before_it_is_fetched(site, tmp_path):
    with pytest.raises(MismatchError, match="offers 1,024,000 bytes; expected 5"):
        download(site.url, tmp_path / "a.zip", 5)
    assert os.listdir(tmp_path) == []


def test_a_wrong_digest_is_named_and_nothing_is_kept(site, tmp_path):
    with pytest.raises(MismatchError, match=rf"a\.zip: SHA-256 {DIGEST} found; expected {'0' * 64}"):
        download(site.url, tmp_path / "a.zip", sha256="0" * 64)
    assert os.listdir(tmp_path) == []


def test_a_part_of_another_file_is_found_by_the_digest_and_mended_by_the_next_run(site, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(b"x" * 1000)
    with pytest.raises(MismatchError, match="SHA-256"):
        download(site.url, tmp_path / "a.zip", sha256=DIGEST)
    download(site.url, tmp_path / "a.zip", sha256=DIGEST)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def test_a_file_that_is_there_is_checked_and_kept(site, tmp_path):
    (tmp_path / "a.zip").write_bytes(CONTENT)
    download(site.url, tmp_path / "a.zip", len(CONTENT), DIGEST)
    with pytest.raises(MismatchError, match=r"a\.zip: 1,024,000 bytes found; expected 7"):
        download(site.url, tmp_path / "a.zip", 7)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert site.ranges == []


def test_a_full_device_keeps_what_has_come(site, tmp_path, monkeypatch):
    receive = download_module._receive
    site.headers = {"ETag": '"a"'}
    site.drop_after = [300_000]

    def fill_up(response, part, name, have, total):
        if have:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        receive(response, part, name, have, total)

    monkeypatch.setattr(download_module, "_receive", fill_up)
    with pytest.raises(InputError, match=r"a\.zip\.part: no space left on the device"):
        download(site.url, tmp_path / "a.zip")
    assert (tmp_path / "a.zip.part").stat().st_size == 300_000


# --- a server that changes its mind, or lies


OTHER = bytes(reversed(CONTENT))


@pytest.mark.parametrize("tag", ["ETag", "Last-Modified"])
def test_half_of_one_file_and_half_of_another_are_never_joined(site, tmp_path, tag):
    site.headers, site.drop_after = {tag: '"a"'}, [400_000]
    with pytest.raises(InputError, match="go on from 400,000 bytes"):
        site.statuses = [200, 503]
        download(site.url, tmp_path / "a.zip", attempts=1)
    site.content, site.headers = OTHER, {tag: '"b"'}
    download(site.url, tmp_path / "a.zip")
    assert site.asked[-1]["If-Range"] == '"a"' and site.asked[-1]["Range"] == "bytes=400000-"
    assert (tmp_path / "a.zip").read_bytes() == OTHER


def test_a_server_that_resumes_another_file_nevertheless_is_found_by_its_tag(site, tmp_path, monkeypatch):
    site.headers, site.drop_after = {"ETag": '"a"'}, [400_000]
    changed = []

    def change(seconds):
        changed.append(seconds)
        site.content, site.headers = OTHER, {"ETag": '"b"', "Last-Modified": '"a"'}  # takes If-Range for a date

    monkeypatch.setattr(download_module.time, "sleep", change)
    download(site.url, tmp_path / "a.zip")
    assert site.ranges == [None, "bytes=400000-", None] and len(changed) == 2
    assert (tmp_path / "a.zip").read_bytes() == OTHER


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"a"'}])
def test_without_a_strong_tag_or_a_digest_a_download_begins_again(site, tmp_path, headers):
    site.headers, site.drop_after = headers, [400_000]
    download(site.url, tmp_path / "a.zip")
    assert site.ranges == [None, None]
    assert (tmp_path / "a.zip").read_bytes() == CONTENT and os.listdir(tmp_path) == ["a.zip"]


def test_a_part_of_another_address_is_not_gone_on_with(site, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(b"x" * 1000)
    (tmp_path / "a.zip.part.tag").write_text('{"url": "https://elsewhere", "tag": "a"}')
    download(site.url, tmp_path / "a.zip")
    assert site.ranges == [None] and (tmp_path / "a.zip").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("content", "headers", "status", "problem"),
    [
        (b"<!DOCTYPE html><p>log in", {}, 200, "a web page"),
        (b"PK log in", {"Content-Type": "text/html; charset=utf-8"}, 200, "a web page"),
        (b"", {}, 200, "answered with nothing"),
        (b"", {}, 204, "answered 204"),
        (CONTENT, {"Content-Length": "abc"}, 200, "declares a size of 'abc' bytes; at most 1,099,511,627,776"),
        (CONTENT, {"Content-Length": "-5"}, 200, "declares a size of '-5'"),
        (CONTENT, {"Content-Length": "9" * 5000}, 200, "declares a size of '9999"),
        (CONTENT, {"Content-Length": str(1 << 41)}, 200, "declares a size of '2199023255552'"),
    ],
)
def test_what_is_not_the_file_is_refused_at_once_and_leaves_nothing(site, tmp_path, content, headers, status, problem):
    site.content, site.headers, site.tells_size = content, headers, "Content-Length" not in headers
    site.statuses = [status]
    with pytest.raises(InputError, match=rf"a\.zip: .*{problem}") as error:
        download(site.url, tmp_path / "a.zip")
    assert "\n" not in str(error.value) and os.listdir(tmp_path) == [] and len(site.ranges) == 1


def test_a_page_that_answers_in_between_does_not_cost_what_has_come(site, tmp_path):
    site.headers, site.drop_after, site.statuses = {"ETag": '"a"'}, [400_000], [200, 503]
    with pytest.raises(InputError):
        download(site.url, tmp_path / "a.zip", attempts=1)
    site.content, site.headers = b"<html>pay here", {}
    with pytest.raises(InputError, match="a web page"):
        download(site.url, tmp_path / "a.zip")
    assert (tmp_path / "a.zip.part").stat().st_size == 400_000


def test_more_than_was_expected_is_not_received(site, tmp_path):
    site.tells_size = False
    with pytest.raises(InputError, match="sends more than the 1,000 bytes"):
        download(site.url, tmp_path / "a.zip", 1000)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1000


def test_a_file_that_is_not_accepted_does_not_appear(site, tmp_path):
    def refuse(part):
        assert part.read_bytes() == CONTENT and not (tmp_path / "a.zip").exists()
        raise InputError("is no archive")

    site.headers = {"ETag": '"a"'}
    with pytest.raises(InputError, match="is no archive"):
        download(site.url, tmp_path / "a.zip", accept=refuse)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://example.org/a.zip", "is plain http.*no digest"),
        ("file:///etc/hostname", "is no web address; found file"),
        ("ftp://example.org/a.zip", "is no web address; found ftp"),
        ("a.zip", "is no web address; found no scheme"),
    ],
)
def test_an_address_that_can_be_tampered_with_needs_a_digest(tmp_path, url, problem):
    with pytest.raises(InputError, match=rf"a\.zip: {url} {problem}"):
        download(url, tmp_path / "a.zip")
    assert untrusted("http://example.org/a.zip", DIGEST) is None
    assert untrusted("https://example.org/a.zip", None) is None


@pytest.mark.parametrize("to", ["http://example.org/a.zip", "file:///etc/hostname", "ftp://example.org/a"])
def test_a_redirect_leads_to_no_address_that_could_not_have_been_given(site, tmp_path, to):
    site.statuses, site.headers = [302], {"Location": to}
    with pytest.raises(InputError, match=r"a\.zip: .*(leads on to|answered 302)"):
        download(site.url, tmp_path / "a.zip")
    assert os.listdir(tmp_path) == []


def test_what_is_left_of_a_download_that_is_there_is_removed(tmp_path):
    (tmp_path / "a.zip").write_bytes(CONTENT)
    for name in ("a.zip.part", "a.zip.part.tag"):
        (tmp_path / name).write_bytes(b"")
    download("https://localhost/a.zip", tmp_path / "a.zip", len(CONTENT))
    assert os.listdir(tmp_path) == ["a.zip"]
