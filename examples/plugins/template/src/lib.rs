//! Placeholder: a sentence on the decisions of this plugin.

wit_bindgen::generate!({ path: "wit", world: "plugin" });

use magicproxy::plugin::log;

struct Template;
export!(Template);

impl Guest for Template {
    fn interests() -> Interests {
        Interests {
            request_headers: Vec::new(),
            request_body: false,
            responses: false,
            response_headers: Vec::new(),
            response_body: false,
        }
    }

    fn is_request_allowed(request: Request) -> Verdict {
        if request.method == "GET" && request.path == "/hello" {
            return Verdict::Allow;
        }
        log::write(log::Level::Debug, &format!("{} {} is none of my business", request.method, request.path));
        Verdict::Abstain
    }

    fn on_response(_: Request, _: Response) -> Result<(), String> {
        Ok(())
    }
}
