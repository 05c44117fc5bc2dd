//! Caveats, and how they are appended.

use super::*;

impl Maker {
    pub(super) fn caveats(&self) -> Vec<Value> {
        let plain = self.ordinary();
        let bad = [
            "{}",
            "[]",
            "{\"sub\"",
            "{ \"sub\":\"a\"}",
            "{\"sub\":\"a\"} ",
            r#"{"sub":"a","sub":"b"}"#,
            r#"{"sub":null}"#,
            r#"{"sub":"a>b"}"#,
            r#"{"scopes":["read"]}"#,
            r#"{"explain":true}"#,
            r#"{"limit":{"requests":1}}"#,
            r#"{"limit":{}}"#,
            r#"{"limit":{"total":0}}"#,
            r#"{"limit":{"total":1000000001}}"#,
            r#"{"limit":{"total":1,"concurrent":1}}"#,
            r#"{"limit":{"total":1,"per":"1h"}}"#,
            r#"{"limit":{"requests":1,"per":"32d"}}"#,
            r#"{"limit":{"requests":1,"per":"01h"}}"#,
            r#"{"limit":[1]}"#,
            r#"{"allowed":[{"method":"GET","path":"/a","limit":{"total":1}}]}"#,
            r#"{"allowed":[{"method":"POST","path":"/a","grants":["GET /a/{location}"]}]}"#,
            r#"{"exp":"1790000060"}"#,
            r#"{"exp":1.0}"#,
            r#"{"exp":253402300800}"#,
            r#"{"nbf":-1}"#,
            r#"{"aud":""}"#,
            r#"{"aud":["api"]}"#,
            r#"{"allowed":null}"#,
            r#"{"allowed":"GET /a"}"#,
            r#"{"sender":{}}"#,
            r#"{"sender":{"cidr":[]}}"#,
            r#"{"sender":[["0.0.0.0/0"]]}"#,
            r#"{"sender":{"jkt":"x"}}"#,
            r#"{"sender":{"cidr":["0.0.0.0/0"],"jkt":"x"}}"#,
            r#"{"sender":{"cidr":["192.0.2.1/24"]}}"#,
            r#"{"sender":{"cidr":["192.0.2.0"]}}"#,
            r#"{"sender":{"cidr":["192.0.2.0/024"]}}"#,
            r#"{"sender":{"cidr":["192.0.2.0/33"]}}"#,
            r#"{"sender":{"cidr":["192.0.02.0/24"]}}"#,
            r#"{"sender":{"cidr":["::ffff:192.0.2.0/120"]}}"#,
        ];
        let mut cases: Vec<Value> = bad
            .iter()
            .map(|json| (*json).to_owned())
            .chain(bad_origins())
            .map(|json| refused(&format!("caveat {json}"), self.token(&plain, &[&json]), "caveat"))
            .collect();
        for json in [r#"{"allowed":[]}"#, r#"{"allowed":["GET user"]}"#] {
            cases.push(refused(&format!("caveat {json}"), self.token(&plain, &[json]), "rule"));
        }
        for json in [
            r#"{"limit":{"requests":100,"per":"1h"}}"#,
            r#"{"limit":{"total":3}}"#,
            r#"{"limit":{"concurrent":2},"sub":"a"}"#,
        ] {
            cases.push(self.ok(&format!("caveat {json}"), self.token(&plain, &[json]), json!({})));
        }
        cases.push(refused(
            "the second caveat",
            self.token(&plain, &[r#"{"sub":"a"}"#, "{}"]),
            "caveat",
        ));
        cases
    }

    pub(super) fn narrowings(&self) -> Vec<Value> {
        let token = self.token(&self.ordinary(), &[]);
        let pairs = [
            (vec![], r#"{"sub":"agent"}"#),
            (
                vec![r#"{"sub":"agent"}"#],
                r#"{"allowed":["GET /user",{"method":"GET","route":"/a/{b}"}],"exp":1790000060}"#,
            ),
        ];
        pairs
            .into_iter()
            .map(|(before, caveat)| {
                let (kept, _) = token.rsplit_once('.').unwrap();
                let parent = self.finish(kept.to_owned(), &before);
                let narrowed = self.finish(kept.to_owned(), &[before, vec![caveat]].concat());
                json!({"token": parent, "caveat": caveat, "narrowed": narrowed})
            })
            .collect()
    }
}
