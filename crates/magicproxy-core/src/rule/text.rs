//! The string form of a rule, and the single form in which tokens carry rules. `rules.md` sections
//! 1 and 7.

use super::raw::{OneOrMany, RawRule, RuleObject};

/// The word before a template in the string form. No pattern that matches a path begins with this
/// word.
pub(super) const ROUTE: &str = "route:";
/// The separator of methods in the string form.
const OR: char = '|';

impl RawRule {
    /// Returns the object form of a rule that names several methods in a single text, or a template
    /// in a string; `None` for every other rule, which stays unchanged. Readers that know only
    /// `METHOD PATTERN` and objects then read the rule right.
    #[must_use]
    pub fn to_object_form(&self) -> Option<Self> {
        match self {
            Self::Text(text) => {
                let (methods, target) = text.split_once(' ')?;
                let template = target.strip_prefix(ROUTE);
                if template.is_none() && !methods.contains(OR) {
                    return None;
                }
                let object = RuleObject::plain(several(methods), target.to_owned());
                Some(Self::object(match template {
                    Some(template) => {
                        RuleObject { path: None, route: Some(template.to_owned()), ..object }
                    }
                    None => object,
                }))
            }
            Self::Object(object) => match &object.method {
                OneOrMany::One(methods) if methods.contains(OR) => Some(Self::object(RuleObject {
                    method: several(methods),
                    ..(**object).clone()
                })),
                _ => None,
            },
            Self::Git(_) | Self::Plugin(_) => None,
        }
    }

    fn object(object: RuleObject) -> Self {
        Self::Object(Box::new(object))
    }
}

/// Reads `GET|POST` as a list.
fn several(methods: &str) -> OneOrMany {
    if methods.contains(OR) {
        OneOrMany::Many(methods.split(OR).map(str::to_owned).collect())
    } else {
        OneOrMany::One(methods.to_owned())
    }
}
