//! The Model Context Protocol, for agents that look: <https://modelcontextprotocol.io>, its transport "streamable HTTP" without a session.
//!
//! One request in a POST, one answer in JSON. Its tools are the GET paths of the API, with the same keys, the same bounds and the same
//! login, and none of them changes anything. What a tool takes stands in `openapi.json`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use http_serve::{BodyRoom, Peer};
use serde_json::{Map, Value, json};

use crate::http::answer::Answer;
use crate::http::api;
use crate::http::caller::Address;
use crate::http::openapi;
use crate::http::views::{self, View};
use crate::operation::query::Query;
use crate::relay::Relay;

/// Versions of the protocol that say the same of what is used here; the newest first.
const VERSIONS: [&str; 3] = ["2025-06-18", "2025-03-26", "2024-11-05"];

/// Bytes of a request: a name and a few arguments.
const MOST_BYTES: usize = 64 * 1024;

/// A tool: its name, the path that it is, and what it looks at.
type Tool = (&'static str, &'static str, View);

const TOOLS: [Tool; 10] = [
    ("overview", "/api/v1/overview", View::Overview),
    ("deliveries", "/api/v1/deliveries", View::Deliveries),
    ("delivery", "/api/v1/deliveries/{id}", View::Delivery),
    ("alert", "/api/v1/alert-stories/{fingerprint}", View::Alert),
    ("dead_letters", "/api/v1/dead-letters", View::DeadLetters),
    ("webhooks", "/api/v1/webhooks", View::Webhooks),
    ("preview", "/api/v1/targets/{name}/preview", View::Preview),
    ("audit_trail", "/api/v1/audit-trail", View::AuditTrail),
    ("settings", "/api/v1/settings", View::Settings),
    ("settings_changes", "/api/v1/settings/changes", View::SettingsChanges),
];

const INSTRUCTIONS: &str = "alert-relay brings Alertmanager's alerts to chats and mailboxes. Begin with `overview`; `deliveries` finds messages, \
    `delivery` and `alert` tell why one came or did not. Nothing here changes anything.";

/// Why a request has no result: a code of JSON-RPC and a sentence.
#[derive(Debug)]
struct Fault(i64, String);

impl Fault {
    fn invalid(message: &str) -> Self {
        Self(-32_600, message.to_owned())
    }

    fn parameters(message: impl Into<String>) -> Self {
        Self(-32_602, message.into())
    }
}

/// `/mcp`
pub(super) async fn answer(
    State(relay): State<Arc<Relay>>,
    State(bodies): State<BodyRoom>,
    Address(address): Address,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Answer> {
    let refuse = |status, message: &str| Err(Answer::new(status, "error", message));
    let version = headers.get("mcp-protocol-version").map(|version| version.to_str().unwrap_or_default());
    if version.is_some_and(|version| !VERSIONS.contains(&version)) {
        return refuse(
            StatusCode::BAD_REQUEST,
            "this version of the protocol (MCP-Protocol-Version) is not known",
        );
    }
    let body = bodies.receive(body, Peer::at(address)).await?;
    if body.bytes.len() > MOST_BYTES {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "a request of this protocol has 64 KiB at most");
    }
    let Ok(request) = serde_json::from_slice::<Value>(&body.bytes) else {
        return Ok(reply(&Value::Null, Err(Fault(-32_700, "the body is not JSON".to_owned()))));
    };
    let method = request.get("method").and_then(Value::as_str);
    let id = request.get("id").filter(|id| id.is_string() || id.is_number());
    Ok(match (method, id) {
        (Some(method), Some(id)) => {
            let parameters = request.get("params").and_then(Value::as_object).cloned().unwrap_or_default();
            reply(id, result(&relay, method, &parameters).await)
        }
        // A notification, or the answer to a question that was never put.
        (Some(_), None) if request.get("id").is_none() => StatusCode::ACCEPTED.into_response(),
        _ => reply(&Value::Null, Err(Fault::invalid("expected one request of JSON-RPC 2.0"))),
    })
}

fn reply(id: &Value, result: Result<Value, Fault>) -> Response {
    api::json(&match result {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(Fault(code, message)) => {
            json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
        }
    })
}

async fn result(relay: &Arc<Relay>, method: &str, parameters: &Map<String, Value>) -> Result<Value, Fault> {
    match method {
        "initialize" => {
            let asked = parameters.get("protocolVersion").and_then(Value::as_str).unwrap_or_default();
            let version = VERSIONS.into_iter().find(|version| *version == asked).unwrap_or(VERSIONS[0]);
            Ok(json!({
                "protocolVersion": version,
                "capabilities": { "tools": {} },
                "serverInfo": { "name": "alert-relay", "version": env!("CARGO_PKG_VERSION") },
                "instructions": INSTRUCTIONS,
            }))
        }
        "ping" => Ok(json!({})),
        "tools/list" => Ok(json!({ "tools": tools() })),
        "tools/call" => call(relay, parameters).await,
        other => Err(Fault(-32_601, format!("there is no method `{}`", other.escape_debug()))),
    }
}

/// What the tools are called and take.
fn tools() -> Vec<Value> {
    let document = openapi::document();
    let tool = |(name, path, _): &Tool| {
        let operation = &document["paths"][*path]["get"];
        let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
        let property = |parameter: &Value| {
            let mut schema = parameter["schema"].clone();
            schema["description"] = parameter["description"].clone();
            Some((parameter["name"].as_str()?.to_owned(), schema))
        };
        let properties: Map<String, Value> = parameters.iter().filter_map(property).collect();
        let is_required = |parameter: &&Value| parameter["required"] == true;
        let required: Vec<&Value> =
            parameters.iter().filter(is_required).map(|parameter| &parameter["name"]).collect();
        json!({
            "name": name,
            "description": operation["summary"],
            "inputSchema": { "type": "object", "properties": properties, "required": required, "additionalProperties": false },
            "annotations": { "readOnlyHint": true },
        })
    };
    TOOLS.iter().map(tool).collect()
}

async fn call(relay: &Arc<Relay>, parameters: &Map<String, Value>) -> Result<Value, Fault> {
    let name = parameters.get("name").and_then(Value::as_str).unwrap_or_default();
    let Some((.., view)) = TOOLS.iter().find(|(known, ..)| *known == name) else {
        return Err(Fault::parameters(format!("there is no tool `{}`", name.escape_debug())));
    };
    let arguments = match parameters.get("arguments") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(arguments)) => arguments.clone(),
        Some(_) => return Err(Fault::parameters("`arguments`: expected an object")),
    };
    let shown = async {
        let query = Query::of(arguments.iter().filter_map(as_text))?;
        views::show(relay, *view, query).await
    };
    Ok(match shown.await {
        Ok(value) => {
            let text = value.to_string();
            // A structured result is an object.
            let structured = if value.is_object() { value } else { json!({ "items": value }) };
            json!({ "content": [{ "type": "text", "text": text }], "structuredContent": structured, "isError": false })
        }
        Err(refused) => json!({ "content": [{ "type": "text", "text": refused.message }], "isError": true }),
    })
}

/// An argument as it would stand behind the `?` of a URL.
fn as_text((key, value): (&String, &Value)) -> Option<(String, String)> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Some((key.clone(), text))
}
