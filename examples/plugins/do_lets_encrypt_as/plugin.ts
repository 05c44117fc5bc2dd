// A plugin for ACME challenges on DigitalOcean: a token may create `_acme-challenge` TXT records,
// and delete the records that the token created. The same plugin as do_lets_encrypt, in
// AssemblyScript: a language that looks like TypeScript and compiles to WebAssembly.

import { Kept, REQUEST_SIZE, Request, Response, configuration, forget, isKept, keep, variant } from "./abi";
import { Reader } from "./json";

export { cabi_realloc } from "./abi";

const ALLOW: u8 = 0, DENY: u8 = 1, ABSTAIN: u8 = 2;
const DONE: u8 = 0, FAILED: u8 = 1;

export function interests(): usize {
  const at = heap.alloc(24);
  memory.fill(at, 0, 24);
  store<u8>(at + 8, 1); // request-body
  store<u8>(at + 9, 1); // responses
  store<u8>(at + 20, 1); // response-body
  return at;
}

export function is_request_allowed(at: usize): usize {
  const action = Action.of(new Request(at));
  if (action == null) return variant(ABSTAIN, "");
  if (action.creates) return variant(ALLOW, "");
  const kept = isKept(action.name);
  if (kept == Kept.Unknown) return variant(DENY, "cannot tell whose record it is");
  return variant(kept == Kept.Yes ? ALLOW : ABSTAIN, "");
}

export function on_response(at: usize): usize {
  // The action is determined again, because another rule may have allowed a request that does not
  // concern the plugin.
  const action = Action.of(new Request(at)), response = new Response(at + REQUEST_SIZE);
  if (action == null) return variant(DONE, "");
  if (action.creates && response.status == 201) {
    const id = idOf(response.body);
    if (id == 0) return variant(FAILED, "the answer has no domain_record.id");
    return keep(nameOf(action.domain, id)) ? variant(DONE, "") : variant(FAILED, "the record was not noted");
  }
  // Another client may have deleted the record already; 404 has the same effect.
  if (!action.creates && (response.status == 204 || response.status == 404)) {
    return forget(action.name) ? variant(DONE, "") : variant(FAILED, "the record was not forgotten");
  }
  return variant(DONE, "");
}

/** An action that the plugin decides on. */
class Action {
  constructor(public creates: bool, public domain: string, public name: string) {}

  static of(request: Request): Action | null {
    const parts = request.path.split("/");
    // "", v2, domains, DOMAIN, records, and perhaps an id.
    if (request.hasQuery || parts.length < 5 || parts.length > 6) return null;
    if (parts[0] != "" || parts[1] != "v2" || parts[2] != "domains" || parts[4] != "records") return null;
    const domain = parts[3];
    if (domain == "" || !isOurs(domain)) return null;
    if (parts.length == 5) {
      return request.method == "POST" && isChallenge(request.body) ? new Action(true, domain, "") : null;
    }
    const id = digits(parts[5]);
    return request.method == "DELETE" && id != 0 ? new Action(false, domain, nameOf(domain, id)) : null;
  }
}

function isOurs(domain: string): bool {
  const domains = configuration();
  return domains == null || domains.split(" ").includes(domain);
}

function nameOf(domain: string, id: u64): string {
  return domain + "/" + id.toString();
}

/** Reads digits as a number; 0 for any other text. */
function digits(text: string): u64 {
  const encoded = String.UTF8.encode(text);
  const reader = new Reader(Uint8Array.wrap(encoded));
  const number = text != "" ? reader.number() : 0;
  return reader.end() ? number : 0;
}

/**
 * All members of a record that DigitalOcean knows. An unknown or repeated member is refused,
 * because DigitalOcean might read the member in another way.
 */
const TEXTS = ["type", "name", "data", "tag"], NUMBERS = ["ttl", "priority", "port", "weight", "flags"];

function isChallenge(body: Uint8Array | null): bool {
  if (body == null) return false;
  const reader = new Reader(body), seen = new Set<string>();
  let type = "", name = "";
  reader.expect("{");
  do {
    const member = reader.string(false);
    if (seen.has(member)) return false;
    seen.add(member);
    reader.expect(":");
    const optional = member == "tag" || NUMBERS.includes(member);
    if (optional && reader.takeNull()) continue;
    if (TEXTS.includes(member)) {
      const value = reader.string(member == "data");
      if (member == "type") type = value;
      if (member == "name") name = value;
    } else if (NUMBERS.includes(member)) {
      reader.number();
    } else {
      return false;
    }
  } while (reader.ok && reader.take(","));
  reader.expect("}");
  return reader.end() && seen.has("data") && type == "TXT" && name.split(".")[0] == "_acme-challenge";
}

/** Returns `domain_record.id` of the response; 0 if the response has none. */
function idOf(body: Uint8Array | null): u64 {
  if (body == null) return 0;
  const reader = new Reader(body);
  let id: u64 = 0, found = 0;
  reader.expect("{");
  do {
    const member = reader.string(true);
    reader.expect(":");
    if (member != "domain_record") { reader.skip(); continue; }
    found++;
    reader.expect("{");
    do {
      const inner = reader.string(true);
      reader.expect(":");
      if (inner != "id") { reader.skip(); continue; }
      found++;
      id = reader.number();
    } while (reader.ok && reader.take(","));
    reader.expect("}");
  } while (reader.ok && reader.take(","));
  reader.expect("}");
  return reader.end() && found == 2 ? id : 0;
}
