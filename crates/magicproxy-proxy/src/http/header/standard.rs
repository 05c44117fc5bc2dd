//! Fields of a client's request that every upstream gets, each with the field's meaning.

use crate::field_names::table::tables;

tables! {
    /// Fields of HTTP itself, of content and conditions, of retries and traces, of event streams
    /// and WebSockets, of the Model Context Protocol, of git and of browsers. No field here says
    /// for whom a request acts, or selects another resource than the target names.
    pub(super) STANDARD: &str {
        "accept" => "which media types the client reads",
        "accept-charset" => "which character sets the client reads",
        "accept-encoding" => "which codings the client reads; the proxy leaves those that it can search",
        "accept-language" => "which languages the client's people read",
        "cache-control" => "how fresh a response of a cache must be",
        "cdn-loop" => "which networks the request has been through: nobody may take it away (RFC 8586 section 2)",
        "date" => "when the request was made",
        "early-data" => "that the request may be a replay: nobody may take it away (RFC 8470 section 5.1)",
        "from" => "whom to write to about a robot",
        "origin" => "which page asks",
        "pragma" => "what older caches know of `Cache-Control`",
        "prefer" => "how much the response is to say (RFC 7240)",
        "priority" => "how urgent the response is (RFC 9218)",
        "range" => "which part of the resource is wanted",
        "referer" => "from which page the request comes",
        "user-agent" => "which program asks",
        // Content.
        "content-digest" => "what the content's digest is (RFC 9530)",
        "content-disposition" => "what the content is called",
        "content-encoding" => "in which coding the content is",
        "content-language" => "in which language the content is",
        "content-md5" => "what the content's digest is, by RFC 1864",
        "content-range" => "which part of a resource the content is",
        "content-type" => "which media type the content has",
        "digest" => "what the content's digest is, by RFC 3230",
        "repr-digest" => "what the digest of the whole resource is (RFC 9530)",
        "want-content-digest" => "which digest of the content is wanted (RFC 9530)",
        "want-digest" => "which digest is wanted, by RFC 3230",
        "want-repr-digest" => "which digest of the whole resource is wanted (RFC 9530)",
        // Conditions.
        "if-match" => "the request holds for these versions only",
        "if-modified-since" => "the response is wanted where there is a newer one",
        "if-none-match" => "the request holds for no version of these",
        "if-range" => "a part is wanted of this version only",
        "if-unmodified-since" => "the request holds where there is no newer version",
        // Retries and traces.
        "idempotency-key" => "which requests are one and the same, sent again",
        "traceparent" => "to which trace the request belongs (W3C)",
        "tracestate" => "what tracers keep of that trace (W3C)",
        "x-request-id" => "the client's own number for the request",
        // Event streams, WebSockets.
        "last-event-id" => "behind which event a stream goes on",
        "sec-websocket-extensions" => "WebSocket: what the client can do besides (RFC 6455)",
        "sec-websocket-key" => "WebSocket: a number that the response repeats (RFC 6455)",
        "sec-websocket-protocol" => "WebSocket: what is spoken in it; items that are keys are taken away",
        "sec-websocket-version" => "WebSocket: the version (RFC 6455)",
        // The Model Context Protocol.
        "mcp-method" => "MCP: the method that the content names as well",
        "mcp-name" => "MCP: the tool or resource that the content names as well",
        "mcp-protocol-version" => "MCP: the version",
        "mcp-session-id" => "MCP: to which session the request belongs",
        // git.
        "git-protocol" => "which version of its protocol git speaks",
        // Browsers, and programs that speak as they do.
        "access-control-request-headers" => "a page asks which fields it may send (Fetch)",
        "access-control-request-method" => "a page asks which method it may use (Fetch)",
        "dnt" => "the person does not want to be tracked",
        "sec-ch-ua" => "which browser asks",
        "sec-ch-ua-mobile" => "whether the browser is a phone's",
        "sec-ch-ua-platform" => "which system the browser runs on",
        "sec-fetch-dest" => "what the browser makes of the response",
        "sec-fetch-mode" => "how the browser asks",
        "sec-fetch-site" => "whether the page that asks is of the same site",
        "sec-fetch-user" => "whether a person has clicked",
        "sec-gpc" => "the person does not want data to be sold",
        "upgrade-insecure-requests" => "the browser prefers links to https",
        "x-requested-with" => "that a script of a page asks, which other pages cannot write",
    }
}
