"""The metrics of `magicproxy`, read by Prometheus itself: the lint of promtool, the alerts' tests, a server that scrapes.

    python tests/metrics/run.py --binary target/release/magicproxy

`promtool` and `prometheus` must be there, Debian's package `prometheus` has both; `cargo xtask test metrics` sees to that.
"""

import argparse
import contextlib
import http.server
import json
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# Child processes are those of tests/interop.
sys.path.append(str(HERE.parent / "interop"))

from harness.process import Server, environment, run  # noqa: E402

DEPLOY = ROOT / "deploy"
CREDENTIAL = "ghp_theRealCredential0123456789abcdef"
#: Seconds after which what did not come is missing: only for what hangs.
_GUARD = 120


def main():
    given = _arguments()
    passed, failed = 0, 0
    with contextlib.ExitStack() as stack:
        stage = Stage(given.binary, stack)
        for case in (lint, rules, unit_tests, open_metrics, scraped, dashboard, alerts_loaded):
            try:
                case(stage)
                passed += 1
                print(f"ok   {case.__name__}", flush=True)
            except Exception as error:  # noqa: BLE001
                failed += 1
                print(f"FAIL {case.__name__}: {type(error).__name__}: {error}", flush=True)
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, required=True, help="the magicproxy program to test")
    given = parser.parse_args()
    given.binary = given.binary.resolve()
    if not given.binary.is_file():
        print(f"there is no program at `{given.binary}`: build it first\n0 passed, 1 failed")
        sys.exit(1)
    return given


# --- the cases


def lint(stage):
    """`promtool check metrics` finds nothing to say."""
    kind, text = stage.metrics("text/plain")
    expect(kind == "text/plain; version=0.0.4; charset=utf-8", kind)
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    expect(done.returncode == 0 and not (done.stdout + done.stderr).strip(), done.stdout + done.stderr)
    # The lint sees faults at all.
    broken = text.replace("# HELP magicproxy_decisions_total", "# HELP nothing")
    done = subprocess.run(["promtool", "check", "metrics"], input=broken, capture_output=True, text=True, check=False)
    expect(done.returncode != 0, "a broken document passes")


def rules(_stage):
    done = promtool("check", "rules", DEPLOY / "prometheus/alerts.yml")
    expect(done.returncode == 0, done.stdout + done.stderr)


def unit_tests(_stage):
    done = promtool("test", "rules", DEPLOY / "prometheus/alerts_test.yml")
    expect(done.returncode == 0, done.stdout + done.stderr)


def open_metrics(stage):
    """The same series in both formats, apart from the spelling of bounds."""
    kind, text = stage.metrics("application/openmetrics-text; version=1.0.0")
    expect(kind == "application/openmetrics-text; version=1.0.0; charset=utf-8", kind)
    expect(text.endswith("# EOF\n"), text[-50:])
    names = {re.split(r"[ {]", line)[0] for line in text.splitlines() if not line.startswith("#")}
    _, plain = stage.metrics("text/plain")
    expect(names == {re.split(r"[ {]", line)[0] for line in plain.splitlines() if not line.startswith("#")}, names)


def scraped(stage):
    """A Prometheus server reads the metrics, and adds up what was asked of the proxy."""
    stage.wait_for('up{job="magicproxy"}', 1)
    stage.wait_for('sum(magicproxy_decisions_total{code="allowed",upstream="api"})', stage.allowed)
    stage.wait_for('sum(magicproxy_decisions_total{code="missing_token"})', 1)
    stage.wait_for('sum(http_server_request_duration_seconds_count{http_response_status_code="503"})', 1)
    stage.wait_for('sum(http_client_request_duration_seconds_count{error_type="503"})', 1)
    # A status that an upstream makes up is a class; a method that a client makes up is `_OTHER`.
    stage.wait_for('sum(http_client_request_duration_seconds_count{http_response_status_code="5xx"})', 1)
    stage.wait_for('sum(http_server_request_duration_seconds_count{http_request_method="_OTHER"})', 1)
    stage.wait_for('sum(magicproxy_limit_takes_total{limit="total",result="taken"})', 1)
    [target] = stage.api("targets")["activeTargets"]
    expect(target["lastError"] == "", target["lastError"])
    series = {name for name in stage.api("label/__name__/values") if name.startswith(("magicproxy_", "http_"))}
    expect(len(series) > 25, series)
    labels = set(stage.api("labels"))
    expect({"upstream", "code", "http_request_method"} <= labels, labels)
    values = [value for label in labels for value in stage.api(f"label/{label}/values")]
    expect(not [value for value in values if "MARK" in value.upper()], values)


def dashboard(stage):
    """Each panel asks in PromQL that the server understands, and those of requests get an answer."""
    # A rate is one of several samples.
    stage.wait_for('count_over_time(up{job="magicproxy"}[1m]) >= bool 4', 1)
    told = set()
    for panel in json.loads((DEPLOY / "grafana/magicproxy.json").read_text())["panels"]:
        for target in panel.get("targets", []):
            expr = target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*").replace("$upstream", ".*")
            if stage.query(expr):
                told.add(panel["title"])
    wanted = {"Requests", "Refusals and failures", "In progress", "Time of a request", "Statuses", "Tokens", "Version", "Up for", "Bytes"}
    expect(wanted <= told, f"no answer: {wanted - told}")


def alerts_loaded(stage):
    [group] = stage.api("rules")["groups"]
    expect(all(rule["health"] != "err" for rule in group["rules"]), group)
    known = (DEPLOY / "prometheus/alerts.yml").read_text().count("- alert: ")
    expect(len(group["rules"]) == known, len(group["rules"]))


# --- what a case works with


class Api(http.server.BaseHTTPRequestHandler):
    """An API that answers with the status in the path."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        content = b"hello"
        self.send_response(int(self.path.rsplit("/", 1)[-1]))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_BREW = answer

    def log_message(self, *_):
        pass


class Stage:
    """A proxy before an API, and a Prometheus server that scrapes the proxy."""

    def __init__(self, binary, stack):
        self.binary = binary
        self.folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
        threading.Thread(target=api.serve_forever, daemon=True).start()
        stack.callback(api.shutdown)
        self.admin = f"127.0.0.1:{free_port()}"
        (self.folder / "magicproxy.toml").write_text(
            f'[upstream]\nname = "api"\napi_root = "http://127.0.0.1:{api.server_port}"\n'
            f'[admin]\nlisten = "{self.admin}"\n[state]\nstore = "memory"\n[log]\nlevel = "error"\n'
        )
        port = free_port()
        command = [binary, "serve", "--config", "magicproxy.toml", "--listen", f"127.0.0.1:{port}"]
        where = {"log": self.folder / "proxy.log", "env": environment(self.folder), "cwd": self.folder}
        self.proxy = Server("proxy", command, address=("127.0.0.1", port), **where)
        stack.callback(self.proxy.stop)
        self.url = self.proxy.url
        self.allowed = 0
        self._use()
        self.prometheus = f"127.0.0.1:{free_port()}"
        self._start_prometheus(stack)

    def _use(self):
        """Some requests of every kind."""
        token = self._token({"token": CREDENTIAL, "allowed": ["* /.*"]})
        for method, path in [("GET", "/200"), ("POST", "/201"), ("GET", "/503"), ("GET", "/599"), ("BREW", "/MARK/200")]:
            self._ask(method, path, token, **{"User-Agent": "MARK"})
            self.allowed += 1
        limited = self._token({"token": CREDENTIAL, "allowed": ["GET /.*"], "limit": {"total": 1}})
        for _ in range(2):
            self._ask("GET", "/200", limited)
        self.allowed += 1
        self._ask("GET", "/MARK", None)

    def _token(self, order):
        request = urllib.request.Request(f"{self.url}/__magictoken", json.dumps(order).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=_GUARD) as answer:
            return answer.read().decode().strip()

    def _ask(self, method, path, token, **fields):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= fields
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(urllib.request.Request(self.url + path, method=method, headers=headers), timeout=_GUARD).read()

    def metrics(self, accept):
        request = urllib.request.Request(f"http://{self.admin}/metrics", headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=_GUARD) as answer:
            return answer.headers["Content-Type"], answer.read().decode()

    def _start_prometheus(self, stack):
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(DEPLOY / "prometheus/alerts.yml")],
            "scrape_configs": [{"job_name": "magicproxy", "static_configs": [{"targets": [self.admin]}]}],
        }
        # JSON is YAML.
        (self.folder / "prometheus.yml").write_text(json.dumps(config))
        done = promtool("check", "config", self.folder / "prometheus.yml")
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)
        command = ["prometheus", f"--config.file={self.folder}/prometheus.yml", f"--storage.tsdb.path={self.folder}/tsdb"]
        command.append(f"--web.listen-address={self.prometheus}")
        log = (self.folder / "prometheus.log").open("wb")
        child = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        stack.callback(lambda: (child.terminate(), child.wait(), log.close()))

    def api(self, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"http://{self.prometheus}/api/v1/{path}?{query}", timeout=_GUARD) as answer:
            return json.load(answer)["data"]

    def query(self, expr):
        return self.api("query", query=expr)["result"]

    def wait_for(self, expr, number):
        """Waits until the server answers a question with this number."""
        end, seen = time.monotonic() + _GUARD, None
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                result = self.query(expr)
                seen = [float(series["value"][1]) for series in result]
                if seen == [number]:
                    return
            time.sleep(0.2)
        raise AssertionError(f"`{expr}` is {seen}, not {number}")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def promtool(*arguments):
    return run(["promtool", *map(str, arguments)], env=None, cwd=ROOT)


def expect(holds, otherwise):
    if not holds:
        raise AssertionError(str(otherwise)[:2000])


if __name__ == "__main__":
    sys.exit(main())
