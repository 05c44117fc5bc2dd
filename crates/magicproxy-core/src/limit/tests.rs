use super::*;

#[track_caller]
fn check(json: &str, expected: Option<&str>) {
    let read: Option<Limit> = serde_json::from_str(json).ok();
    assert_eq!(read.map(|limit| limit.to_string()).as_deref(), expected, "{json}");
    if let Some(limit) = read {
        assert_eq!(limit.to_string().parse(), Ok(limit), "{json}");
        let again = serde_json::to_string(&limit).unwrap();
        assert_eq!(serde_json::from_str::<Limit>(&again).unwrap(), limit, "{json}");
    }
}

#[test]
fn limits_are_read_strictly() {
    check(r#"{"requests":100,"per":"1h"}"#, Some("requests=100/1h"));
    check(r#"{"requests":100,"per":"3600s"}"#, Some("requests=100/1h"));
    check(r#"{"requests":1,"per":"90s"}"#, Some("requests=1/90s"));
    check(r#"{"requests":1,"per":"31d"}"#, Some("requests=1/31d"));
    check(r#"{"total":3}"#, Some("total=3"));
    check(r#"{"concurrent":1000000000}"#, Some("concurrent=1000000000"));
    for refused in [
        "{}",
        r#"{"requests":100}"#,
        r#"{"per":"1h"}"#,
        r#"{"total":3,"concurrent":2}"#,
        r#"{"total":3,"per":"1h"}"#,
        r#"{"total":0}"#,
        r#"{"total":1000000001}"#,
        r#"{"total":-1}"#,
        r#"{"total":1.0}"#,
        r#"{"total":"3"}"#,
        r#"{"total":null}"#,
        r#"{"total":3,"requests":null}"#,
        r#"{"total":3,"total":3}"#,
        r#"{"total":3,"burst":1}"#,
        "[3]",
        r#"{"requests":1,"per":"0s"}"#,
        r#"{"requests":1,"per":"01h"}"#,
        r#"{"requests":1,"per":"+1h"}"#,
        r#"{"requests":1,"per":"1 h"}"#,
        r#"{"requests":1,"per":"1H"}"#,
        r#"{"requests":1,"per":"1w"}"#,
        r#"{"requests":1,"per":"h"}"#,
        r#"{"requests":1,"per":""}"#,
        r#"{"requests":1,"per":"1é"}"#,
        r#"{"requests":1,"per":"32d"}"#,
        r#"{"requests":1,"per":"99999999999999999999d"}"#,
    ] {
        check(refused, None);
    }
}
