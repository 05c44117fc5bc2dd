# What jq sees in a body: README.md. Run by `jq --compact-output --unbuffered --from-file`.
if .kind == "json" then {"jq": (try {json: (.bytes | @base64d | fromjson)} catch "error")} else {} end
