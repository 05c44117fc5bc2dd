// Rules for git, as far as they can be checked without the proxy: git.md section 1. The proxy decides
// about the template of the repository and the syntax of patterns.

/** The members beside `git` and `repository`, each with the rule that they are for. */
const OWNERS = { refs: "push", create: "push", delete: "push", force: "push", options: "push", max_commands: "push", operations: "lfs", locks: "lfs" };

const isText = (value) => typeof value === "string";
const listed = (value) => (Array.isArray(value) ? value : [value]);
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Checks a rule for git. `reader` is the one for conditions, which reads tests and fails.
 */
export function checkGitRule(reader, rule) {
  const fail = (name, message) => reader.at(name, () => reader.fail(message));
  const kind = rule.git;
  if (["clone", "pull", "read"].includes(kind)) fail("git", `\`${kind}\` is not known here; write "fetch", which is for clones, too`);
  if (!["push", "fetch", "lfs"].includes(kind)) fail("git", 'expected "push", "fetch" or "lfs"');
  for (const [name, owner] of Object.entries(OWNERS)) {
    if (rule[name] !== undefined && owner !== kind) fail(name, `this member is for \`${owner}\``);
  }
  if (kind === "push") checkPush(reader, rule, fail);
  if (kind === "lfs") checkOperations(rule, fail);
  if (rule.limit !== undefined && kind !== "push") fail("limit", "`limit` is for `push`: it counts pushes");
  checkRepository(rule.repository, fail);
}

function checkPush(reader, rule, fail) {
  const { refs, options, max_commands: most = 1 } = rule;
  if (refs === undefined) fail("refs", 'it is missing: write the references that may be moved, such as {"glob": "refs/heads/agent/*"}');
  reader.at("refs", () => {
    checkTexts(reader, refs);
    checkNames(reader, refs);
  });
  if (options !== undefined) reader.at("options", () => checkTexts(reader, options));
  if (!(most >= 1 && most <= 1000)) fail("max_commands", "expected 1 to 1000");
}

/** Checks a test of texts alone. */
function checkTexts(reader, value) {
  reader.value(value, "captures");
  const isRight = isObject(value) ? Object.keys(value).every((word) => word === "glob" || word === "pattern") : listed(value).every(isText);
  if (!isRight) reader.fail("expected a text, a list of texts, {}, or an object with `glob` or `pattern`");
}

/** Checks that texts and globs are for full names of references. */
function checkNames(reader, value) {
  if (isObject(value)) {
    const short = listed(value.glob ?? []).find((glob) => !glob.startsWith("refs/"));
    if (short !== undefined) reader.fail(`a reference is written in full: write \`${inFull(short)}\``);
    return;
  }
  for (const name of listed(value)) checkName(reader, name);
}

function checkName(reader, name) {
  if (isRefName(name)) return;
  const full = inFull(name);
  if (name.includes("*")) reader.fail(`\`*\` means nothing in a name: write {"glob": "${full}"}`);
  if (isRefName(full)) reader.fail(`a reference is written in full: write \`${full}\``);
  reader.fail(`\`${name}\` is no name that git allows for a reference`);
}

function checkOperations({ operations, locks }, fail) {
  if (operations === undefined) {
    if (locks !== true) fail("operations", 'a rule for LFS needs `operations`, `"locks": true`, or both');
    return;
  }
  const all = listed(operations);
  if (all.length === 0 || !all.every((one) => one === "download" || one === "upload")) fail("operations", 'expected "download", "upload", or a list of both');
}

function checkRepository(repository, fail) {
  if (repository === "" || repository === "/") fail("repository", "expected the path of a repository such as `/acme/site`");
  if (!repository.startsWith("/")) fail("repository", "path must start with `/`");
  if (repository.endsWith("/")) fail("repository", `write it without \`/\` at its end: \`${repository.replace(/\/+$/, "")}\``);
  if (repository.endsWith(".git")) fail("repository", `write it without \`.git\`, which the rule takes as well: \`${repository.slice(0, -4)}\``);
}

/** Returns the full name that a short one probably stands for. */
function inFull(name) {
  const bare = name.replace(/^\/+/, "");
  if (bare.startsWith("refs/")) return bare;
  return bare.startsWith("heads/") || bare.startsWith("tags/") ? `refs/${bare}` : `refs/heads/${bare}`;
}

/** True for a full name that `git check-ref-format` allows. */
function isRefName(name) {
  if (!name.startsWith("refs/") || name.endsWith(".") || name.includes("..") || name.includes("@{")) return false;
  if (/[\u0000-\u0020\u007f~^:?*[\\]/.test(name)) return false;
  return name.split("/").every((part) => part !== "" && !part.startsWith(".") && !part.endsWith(".lock"));
}
