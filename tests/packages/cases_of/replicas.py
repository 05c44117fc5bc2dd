"""The examples for several replicas, put together on this machine: what they are told, and the Valkey that they share."""

import contextlib
import http.client
import os
import socket
import ssl

import yaml
from cases_of.configurations import relocated
from harness.cases import Cases, equal, holds
from harness.patience import HANGS
from harness.process import Server, environment, run
from house import CREDENTIAL, ROOT

CASES = Cases()
_PASSWORD = "correct-horse"
_EXAMPLES = ["compose", "kubernetes"]


@CASES.case("the guide and the example let the proxy do the same in a Valkey")
def rights(house):
    guide = " ".join((ROOT / "docs/guide/state.md").read_text().split())
    rule = (ROOT / "deploy/valkey/users.acl").read_text().splitlines()[1].removeprefix("user ")
    holds(f"ACL SETUSER {rule}" in guide, "docs/guide/state.md has another rule")


@CASES.case("three replicas keep one count", over=_EXAMPLES)
def one_count(house, example):
    folder = house.empty(example)
    file = relocated(house, ROOT / "deploy" / example / "config.toml", folder)
    serve = [house.binary, "serve", "--config", file, "--listen", "127.0.0.1:0", "--api-root", house.upstream.url]
    with contextlib.ExitStack() as stack:
        host, port = _free_address()
        (folder / "state/url").write_text(f"redis://magicproxy:{_PASSWORD}@{host}:{port}/0\n")
        _start(stack, folder, "valkey", [*_valkey(example, folder), "--bind", host, "--port", port], address=(host, port))
        # One machine has one port 5001, and these are three.
        sockets = [f"unix:{folder}/{number}.sock" for number in range(3)]
        replicas = [_start(stack, folder, f"replica-{number}", serve, socket) for number, socket in enumerate(sockets)]
        for socket in sockets:
            equal(_asked_of_health(house, socket), "ready", "what a replica says of itself")
        token = _minted(house, file, folder)
        statuses = [_asked(url, token, folder / "tls/tls.crt") for url in replicas]
    equal(statuses, [200, 200, 403], "the token may be used twice, and each replica was asked once")


def _start(stack, folder, name, command, admin="", **more):
    """Starts a server that ends with the stack, and gives its URL."""
    variables = environment(folder, MAGICPROXY_ADMIN_LISTEN=admin)
    server = Server(name, command, log=folder / f"{name}.log", env=variables, cwd=folder, **more)
    stack.callback(server.stop)
    return server.url


def _free_address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()


def _valkey(example, folder):
    """The command of an example's Valkey, with files and folders of this machine's."""
    (folder / "valkey").mkdir()
    (folder / "data").mkdir()
    users = (ROOT / "deploy/valkey/users.acl").read_text().replace("PASSWORD", _PASSWORD)
    (folder / "valkey/users.acl").write_text(users)
    if example == "compose":
        command = yaml.safe_load((ROOT / "deploy/compose/compose.yaml").read_text())["services"]["valkey"]["command"]
    else:
        documents = yaml.safe_load_all((ROOT / "deploy/kubernetes/valkey.yaml").read_text())
        command = next(documents)["spec"]["template"]["spec"]["containers"][0]["args"]
    options = [word for option in command[1:] for word in option.split(" ")]
    places = {"/etc/valkey/users.acl": folder / "valkey/users.acl", "/data": folder / "data"}
    return [os.environ["MAGICPROXY_TEST_VALKEY"], *(places.get(word, word) for word in options)]


def _minted(house, file, folder):
    command = [house.binary, "mint", "--config", file, "--api-root", house.upstream.url, "--allow", "GET /user", "--limit", "total=2", "--credential-env", "CREDENTIAL"]
    done = run(command, env=environment(folder, CREDENTIAL=CREDENTIAL), cwd=folder)
    equal(done.returncode, 0, done.stderr)
    return done.stdout.strip()


def _asked_of_health(house, admin):
    done = run([house.binary, "health", "--ready", "--admin", admin], env=environment(house.folder), cwd=house.folder)
    return (done.stdout or done.stderr).strip()


def _asked(url, token, authority):
    """The status with which a replica answers, over TLS."""
    port = int(url.rpartition(":")[2])
    connection = http.client.HTTPSConnection("localhost", port, timeout=HANGS, context=ssl.create_default_context(cafile=authority))
    with contextlib.closing(connection):
        connection.request("GET", "/user", headers={"Authorization": f"Bearer {token}"})
        return connection.getresponse().status
