//! The relay as an agent sees it.

use serde_json::{Value, json};

use crate::client::{post_json, request};
use crate::program::{Home, Serving, to_robot, webhook};
use crate::robot::Robot;

#[track_caller]
fn ask(serving: &Serving, method: &str, parameters: &Value) -> Value {
    let asked = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": parameters });
    let answer = post_json(serving.address, "/mcp", asked.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(7)), "{answer}");
    answer
}

#[test]
fn an_agent_finds_out_what_there_is_and_follows_an_alert() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let serving = home.serve();
    assert_eq!(post_json(serving.address, "/api/v1/alerts/ops", &webhook("GpuHot")).status, 200);
    robot.next().accept();
    serving.wait_for("to chat ended: delivered");

    let hello = ask(&serving, "initialize", &json!({ "protocolVersion": "2025-03-26", "capabilities": {} }));
    assert_eq!(hello["result"]["protocolVersion"], "2025-03-26");
    assert!(hello["result"]["capabilities"]["tools"].is_object(), "{hello}");
    assert_eq!(
        ask(&serving, "initialize", &json!({ "protocolVersion": "1" }))["result"]["protocolVersion"],
        "2025-06-18"
    );
    let heard = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string();
    assert_eq!(post_json(serving.address, "/mcp", heard.as_bytes()).status, 202);
    assert_eq!(ask(&serving, "ping", &json!({}))["result"], json!({}));

    let tools = ask(&serving, "tools/list", &json!({}));
    for tool in tools["result"]["tools"].as_array().unwrap() {
        assert!(tool["description"].as_str().is_some_and(|words| !words.is_empty()), "{tool}");
        assert_eq!(tool["annotations"]["readOnlyHint"], true);
        assert!(jsonschema::meta::is_valid(&tool["inputSchema"]), "{tool}");
    }
    let call = |name: &str, arguments: Value| {
        ask(&serving, "tools/call", &json!({ "name": name, "arguments": arguments }))["result"].clone()
    };
    let found = call("deliveries", json!({ "text": "gpuhot", "limit": 1 }));
    let delivery = &found["structuredContent"]["deliveries"][0];
    assert_eq!((&found["isError"], &delivery["alerts"]), (&json!(false), &json!("GpuHot")), "{found}");
    let story = call("delivery", json!({ "id": delivery["id"] }));
    assert!(story["content"][0]["text"].as_str().unwrap().contains("errcode 0"), "{story}");
    assert!(call("webhooks", json!(null))["structuredContent"]["items"].is_array());
    assert!(
        call("preview", json!({ "name": "chat", "sample": "mixed" }))["structuredContent"]["parts"]
            .is_array()
    );
    let refused = call("deliveries", json!({ "state": "lost" }));
    assert_eq!(refused["isError"], true);
    assert!(
        refused["content"][0]["text"].as_str().unwrap().starts_with("`state`: expected one of"),
        "{refused}"
    );
}

#[test]
fn what_is_no_request_of_the_protocol_is_told_so() {
    let serving = Home::new("receivers: { ops: { routes: [] } }\n").serve();
    let code = |body: &str| {
        let answer = post_json(serving.address, "/mcp", body.as_bytes());
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_str::<Value>(&answer.body).unwrap()["error"]["code"].as_i64().unwrap()
    };
    for (body, expected) in [
        ("", -32_700),
        ("{", -32_700),
        ("[]", -32_600),
        ("{}", -32_600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32_600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/write"}"#, -32_601),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#, -32_602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"retry"}}"#, -32_602),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"overview","arguments":[]}}"#,
            -32_602,
        ),
    ] {
        assert_eq!(code(body), expected, "{body}");
    }
    let long = "{}".to_owned() + &" ".repeat(70_000);
    assert_eq!(post_json(serving.address, "/mcp", long.as_bytes()).status, 413);
    let old = ["MCP-Protocol-Version: 1999-01-01", "Content-Type: application/json"];
    assert_eq!(request(serving.address, "POST", "/mcp", &old, b"{}").status, 400);
    let foreign = ["Origin: http://evil.example", "Content-Type: application/json"];
    assert_eq!(request(serving.address, "POST", "/mcp", &foreign, b"{}").status, 403);
}
