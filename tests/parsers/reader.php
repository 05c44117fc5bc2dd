<?php
// What PHP sees in a body or a query: README.md.

const SHOWN = JSON_PARTIAL_OUTPUT_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE | JSON_UNESCAPED_SLASHES | JSON_PRESERVE_ZERO_FRACTION;

function seen(string $kind, string $bytes): array
{
    if ($kind === 'json') {
        $value = json_decode($bytes, true, 512);
        return ['php json_decode' => json_last_error() === JSON_ERROR_NONE ? ['json' => $value] : 'error'];
    }
    $parameters = [];
    // A warning about too many parameters would go to the answers.
    @parse_str($bytes, $parameters);
    return ['php parse_str' => ['nested' => $parameters === [] ? new stdClass() : $parameters]];
}

while (($line = fgets(STDIN)) !== false) {
    $request = json_decode($line, true);
    echo json_encode(seen($request['kind'], base64_decode($request['bytes'])), SHOWN, 1024), "\n";
    flush();
}
