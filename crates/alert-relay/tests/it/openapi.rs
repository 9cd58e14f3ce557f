//! The document of the API, held against what the real program answers.

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::client::{Answer, get, post_json, request};
use crate::program::{Home, Serving, to_robot, webhook};
use crate::robot::Robot;

/// The document, and every operation whose answer was seen.
struct Document {
    whole: Value,
    seen: Vec<String>,
}

impl Document {
    fn of(serving: &Serving) -> Self {
        let answer = get(serving.address, "/api/v1/openapi.json");
        assert_eq!(answer.status, 200, "{answer:?}");
        let whole: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(whole["openapi"], "3.1.0");
        Self { whole, seen: Vec::new() }
    }

    /// Holds an answer against what the document says of it.
    #[track_caller]
    fn check(&mut self, method: &str, path: &str, answer: &Answer) -> Value {
        let operation = &self.whole["paths"][path][method];
        let mut response = &operation["responses"][answer.status.to_string()];
        assert!(response.is_object(), "{method} {path} does not answer {}: {answer:?}", answer.status);
        if let Some(reference) = response["$ref"].as_str() {
            response = self.whole.pointer(reference.trim_start_matches('#')).unwrap();
        }
        let schema = &response["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{method} {path} has no schema for {}", answer.status);
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        let mistakes: Vec<String> = self
            .validator(schema)
            .iter_errors(&body)
            .map(|mistake| format!("{} at {}", mistake, mistake.instance_path()))
            .collect();
        assert!(mistakes.is_empty(), "{method} {path}: {mistakes:#?} in {body:#}");
        self.seen.push(format!("{method} {path} {}", answer.status));
        body
    }

    fn validator(&self, schema: &Value) -> Validator {
        let mut schema = schema.clone();
        schema["components"] = self.whole["components"].clone();
        jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
    }

    /// Asks for it, and holds the answer against the document.
    #[track_caller]
    fn shown(&mut self, serving: &Serving, path: &str, asked: &str) -> Value {
        self.check("get", path, &get(serving.address, asked))
    }

    #[track_caller]
    fn done(&mut self, serving: &Serving, path: &str, asked: &str) -> Value {
        self.check("post", path, &request(serving.address, "POST", asked, &[], b""))
    }

    /// Every operation of the document by its method and path.
    fn operations(&self) -> Vec<String> {
        let paths = self.whole["paths"].as_object().unwrap();
        let methods = |(path, methods): (&String, &Value)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(|method| format!("{method} {path}")).collect::<Vec<_>>()
        };
        paths.iter().flat_map(methods).collect()
    }
}

#[test]
fn every_answer_is_as_the_document_says() {
    let robot = Robot::start();
    let home = Home::new(
        &(to_robot(&robot.url()) + "heartbeats: { watchdog: { expect_every: 1h, targets: [chat] } }\n"),
    );
    let serving = home.serve();
    let mut document = Document::of(&serving);
    let here = &serving;

    let answer = post_json(here.address, "/api/v1/alerts/ops", &webhook("GpuHot"));
    document.check("post", "/api/v1/alerts/{receiver}", &answer);
    robot.next().accept();
    serving.wait_for("to chat ended: delivered");
    let answer = post_json(here.address, "/dingtalk/ops/send", &webhook("DiskFull"));
    document.check("post", "/dingtalk/{receiver}/send", &answer);
    for _ in 0..3 {
        robot.next().answer(r#"{"errcode":430101,"errmsg":"content refused"}"#);
    }
    serving.wait_for("to chat ended: dead");
    let answer = request(here.address, "POST", "/api/v1/heartbeats/watchdog", &[], b"tick");
    document.check("post", "/api/v1/heartbeats/{name}", &answer);

    document.shown(here, "/api/v1/overview", "/api/v1/overview");
    document.shown(here, "/api/v1/overview", "/api/v1/overview?x=1");
    let page = document.shown(here, "/api/v1/deliveries", "/api/v1/deliveries?limit=1");
    let next = page["next"].as_str().expect("there is a second page");
    let page = document.shown(here, "/api/v1/deliveries", &format!("/api/v1/deliveries?after={next}"));
    let id = page["deliveries"][0]["id"].as_str().unwrap();
    let story = document.shown(here, "/api/v1/deliveries/{id}", &format!("/api/v1/deliveries/{id}"));
    document.shown(here, "/api/v1/deliveries/{id}", "/api/v1/deliveries/000000-1");
    let alert = format!("/api/v1/alert-stories/{}", story["told_alerts"][0]["fingerprint"].as_str().unwrap());
    document.shown(here, "/api/v1/alert-stories/{fingerprint}", &alert);
    let webhooks = document.shown(here, "/api/v1/webhooks", "/api/v1/webhooks");
    let preview = "/api/v1/targets/{name}/preview";
    document.shown(
        here,
        preview,
        &format!("/api/v1/targets/chat/preview?webhook={}", webhooks[0]["notification"]),
    );
    document.shown(here, preview, "/api/v1/targets/nobody/preview?sample=mixed");
    document.check(
        "post",
        preview,
        &post_json(here.address, "/api/v1/targets/chat/preview", &webhook("Pasted")),
    );
    document.check("post", preview, &post_json(here.address, "/api/v1/targets/chat/preview", b"{}"));

    document.shown(here, "/api/v1/dead-letters", "/api/v1/dead-letters");
    document.done(here, "/api/v1/dead-letters/retry", "/api/v1/dead-letters/retry");
    document.done(here, "/api/v1/dead-letters/retry", "/api/v1/dead-letters/retry?text=diskfull");
    robot.next().accept();
    serving.wait_for("to chat ended: delivered");
    document.done(here, "/api/v1/dead-letters/give-up", "/api/v1/dead-letters/give-up?all=true");
    document.done(here, "/api/v1/targets/{name}/test", "/api/v1/targets/nobody/test");

    let in_force = document.shown(here, "/api/v1/settings", "/api/v1/settings");
    assert!(!in_force.to_string().contains("t0ken"), "{in_force}");
    home.write(
        &to_robot(&robot.url().replace("t0ken", "other"))
            .replace("targets: [chat]", "targets: [chat], mentions: []"),
    );
    let changes = document.shown(here, "/api/v1/settings/changes", "/api/v1/settings/changes");
    let keys: Vec<&str> =
        changes["changes"].as_array().unwrap().iter().filter_map(|change| change["key"].as_str()).collect();
    assert!(
        keys.contains(&"targets.chat.dingtalk.webhook_url") && !changes.to_string().contains("other"),
        "{changes}"
    );
    assert!(changes["losses"][0].as_str().unwrap().contains("`heartbeats` has become empty"), "{changes}");
    document.done(here, "/-/reload", "/-/reload");
    document.done(here, "/-/reload", "/-/reload?force=true");
    home.write("nonsense: 1\n");
    let changes = document.shown(here, "/api/v1/settings/changes", "/api/v1/settings/changes");
    assert!(changes["problems"][0].as_str().unwrap().contains("nonsense"), "{changes}");
    document.shown(here, "/api/v1/audit-trail", "/api/v1/audit-trail?limit=2");
    document.shown(here, "/-/healthy", "/-/healthy");
    document.shown(here, "/-/ready", "/-/ready");
    document.shown(here, "/api/v1/openapi.json", "/api/v1/openapi.json");
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string();
    document.check("post", "/mcp", &post_json(here.address, "/mcp", list.as_bytes()));

    // Nothing is in the document that was not looked at, but what is no JSON.
    let unseen = document.operations().into_iter().filter(|operation| {
        !document.seen.iter().any(|seen| seen.rsplit_once(' ').is_some_and(|(seen, _)| seen == operation))
    });
    assert_eq!(unseen.collect::<Vec<_>>(), ["get /metrics"]);
}

#[test]
fn a_path_takes_the_methods_that_the_document_names_and_no_other() {
    let serving = Home::new("receivers: { ops: { routes: [] } }\n").serve();
    let document = Document::of(&serving);
    let known = document.operations();
    for path in document.whole["paths"].as_object().unwrap().keys() {
        let asked = path.replace(['{', '}'], "");
        for method in ["get", "post", "put", "delete"] {
            let answer = request(serving.address, &method.to_uppercase(), &asked, &[], b"");
            let is_known = known.contains(&format!("{method} {path}"));
            assert_eq!(answer.status == 405, !is_known, "{method} {asked}: {answer:?}");
        }
    }
}
