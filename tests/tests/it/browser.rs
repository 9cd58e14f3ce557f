//! A real Chromium, driven through its own driver: what a person with a phone or at a desk would see and press.
//!
//! It reaches loopback and nothing else, and notes every request, every message of its console and everything that axe-core finds.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::process::{Launch, Process};
use e2e::programs;
use e2e::wait::until;
use fantoccini::elements::Element;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

/// How long a page may take on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What axe-core finds is as good as what it is told to look for: the rules of WCAG 2.2, levels A and AA, and its own advice.
const AXE: &str = include_str!("../../axe/axe.min.js");

/// A window, in CSS pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Screen {
    Phone,
    Desk,
}

impl Screen {
    pub(crate) fn width(self) -> u32 {
        match self {
            Self::Phone => 390,
            Self::Desk => 1280,
        }
    }

    fn height(self) -> u32 {
        match self {
            Self::Phone => 844,
            Self::Desk => 900,
        }
    }
}

/// The browser. It ends with this value.
pub(crate) struct Browser {
    driver: Client,
    _process: Process,
    _folder: TempDir,
}

impl Browser {
    /// Starts one that asks for pages in this language.
    pub(crate) async fn start(language: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let chromium = programs::debian("chromium")?;
        let launch = Launch::new("chromedriver", &programs::debian("chromedriver")?).arg("--port=0");
        let process = launch.start(folder.path())?;
        let port = until("chromedriver to say its port", TIMEOUT, async || {
            let output = process.output();
            let (_, port) = output.split_once("started successfully on port ")?;
            port.split(['.', '\n']).next()?.parse::<u16>().ok()
        })
        .await
        .with_context(|| process.output())?;

        let profile = folder.path().join("profile");
        let wanted = wanted(&chromium.to_string_lossy(), language, &profile.to_string_lossy());
        let driver = ClientBuilder::new(HttpConnector::new())
            .capabilities(wanted)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await?;
        let browser = Self { driver, _process: process, _folder: folder };
        // Not what the browser's own first page asks for.
        browser.go("about:blank").await?;
        browser.noted().await?;
        Ok(browser)
    }

    /// The window of a phone or of a desk, by day or by night.
    pub(crate) async fn look(&self, screen: Screen, is_night: bool) -> Result<()> {
        let is_phone = screen == Screen::Phone;
        let metrics = json!({
            "width": screen.width(), "height": screen.height(), "deviceScaleFactor": if is_phone { 2 } else { 1 }, "mobile": is_phone,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await?;
        let scheme = if is_night { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", media).await?;
        Ok(())
    }

    /// Whether pages may run scripts.
    pub(crate) async fn scripts(&self, may_run: bool) -> Result<()> {
        self.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": !may_run })).await?;
        Ok(())
    }

    pub(crate) async fn go(&self, url: &str) -> Result<()> {
        self.driver.goto(url).await.with_context(|| format!("{url} is not shown"))
    }

    /// The first element like this, once it is there.
    pub(crate) async fn find(&self, css: &str) -> Result<Element> {
        until(css, TIMEOUT, async || self.driver.find(Locator::Css(css)).await.ok()).await
    }

    pub(crate) async fn find_all(&self, css: &str) -> Result<Vec<Element>> {
        Ok(self.driver.find_all(Locator::Css(css)).await?)
    }

    /// Presses the first element like this, once it is there.
    pub(crate) async fn press(&self, css: &str) -> Result<()> {
        let pressed = async || self.driver.find(Locator::Css(css)).await.ok()?.click().await.ok();
        until(&format!("{css} to be pressed"), TIMEOUT, pressed).await
    }

    /// The text of the page as it is read.
    pub(crate) async fn text(&self) -> Result<String> {
        Ok(self.find("body").await?.text().await?)
    }

    /// Waits until the page says this, and returns all that it says.
    pub(crate) async fn says(&self, expected: &str) -> Result<String> {
        let said = async || self.text().await.ok().filter(|text| text.contains(expected));
        match until(expected, TIMEOUT, said).await {
            Ok(text) => Ok(text),
            Err(error) => Err(error.context(self.text().await?)),
        }
    }

    /// What an expression comes to in the page.
    pub(crate) async fn value(&self, expression: &str) -> Result<Value> {
        let asked = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.devtools("Runtime.evaluate", asked).await?;
        ensure!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        Ok(answer["result"]["value"].clone())
    }

    /// What axe-core finds wrong: the rule and where.
    pub(crate) async fn axe(&self) -> Result<Vec<String>> {
        self.value(AXE).await.context("axe-core does not load")?;
        let found = self
            .value("axe.run().then(found => found.violations.map(rule => rule.id + ': ' + rule.nodes.map(node => node.target + ' ' + (node.any.map(a => a.message).join('; '))).join(' | ')))")
            .await?;
        Ok(serde_json::from_value(found)?)
    }

    /// What the console of the browser has said since the last call, and which hosts were asked for something.
    pub(crate) async fn noted(&self) -> Result<(Vec<String>, Vec<String>)> {
        let said = self.log("browser").await?.iter().map(|entry| entry["message"].to_string()).collect();
        let mut asked = Vec::new();
        for entry in self.log("performance").await? {
            let event: Value = serde_json::from_str(entry["message"].as_str().unwrap_or_default())?;
            let event = &event["message"];
            if event["method"] == "Network.requestWillBeSent" {
                asked.extend(event["params"]["request"]["url"].as_str().map(str::to_owned));
            }
        }
        Ok((said, asked))
    }

    /// A picture of the page from its top, at most so many CSS pixels high.
    pub(crate) async fn picture(&self, file: &Path, screen: Screen, most: u32) -> Result<()> {
        use base64::Engine as _;
        let height = self.value("document.documentElement.scrollHeight").await?;
        let height = height.as_f64().context("a page has a height")?.min(f64::from(most));
        let clip = json!({ "x": 0, "y": 0, "width": screen.width(), "height": height, "scale": 1 });
        let asked = json!({ "format": "png", "clip": clip, "captureBeyondViewport": true });
        let taken = self.devtools("Page.captureScreenshot", asked).await?;
        let data = taken["data"].as_str().context("a picture has data")?;
        let bytes = base64::engine::general_purpose::STANDARD.decode(data)?;
        std::fs::write(file, bytes).with_context(|| format!("failed to write {}", file.display()))
    }

    async fn devtools(&self, method: &str, parameters: Value) -> Result<Value> {
        let command =
            Chromium { path: "goog/cdp/execute", body: json!({ "cmd": method, "params": parameters }) };
        self.driver.issue_cmd(command).await.with_context(|| method.to_owned())
    }

    async fn log(&self, kind: &str) -> Result<Vec<Value>> {
        let entries =
            self.driver.issue_cmd(Chromium { path: "se/log", body: json!({ "type": kind }) }).await?;
        Ok(serde_json::from_value(entries)?)
    }

    /// Ends it in order.
    pub(crate) async fn stop(self) -> Result<()> {
        Ok(self.driver.close().await?)
    }
}

/// What chromedriver answers beside the commands of the standard.
#[derive(Debug)]
struct Chromium {
    /// Below the session's own.
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Chromium {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

/// The browser that is asked for.
fn wanted(chromium: &str, language: &str, profile: &str) -> Map<String, Value> {
    let arguments = json!([
        "--headless=new",
        // Chromium's own sandbox needs rights that root in a container has not; the pages are ours.
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--hide-scrollbars",
        "--force-color-profile=srgb",
        // Whatever a page names, nothing but loopback is reached.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        format!("--user-data-dir={profile}"),
    ]);
    let options =
        json!({ "binary": chromium, "args": arguments, "prefs": { "intl.accept_languages": language } });
    let logs = json!({ "browser": "ALL", "performance": "ALL" });
    Map::from_iter([
        ("browserName".to_owned(), json!("chrome")),
        ("goog:chromeOptions".to_owned(), options),
        ("goog:loggingPrefs".to_owned(), logs),
    ])
}
