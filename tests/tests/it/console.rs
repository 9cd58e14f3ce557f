//! The relay's console in a real Chromium: pages, forms, both languages, a phone and a desk, day and night.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use e2e::programs::checkout;

use crate::browser::{Browser, Screen};
use crate::console::scene::{Posted, Scene};

mod scene;

/// What somebody would like to be markup, in every text of an alert.
const HOSTILE: &str = "</li><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\"> {{ 7*7 }} <@all> [x](javascript:alert(1))";

fn posted(team: &'static str, name: &'static str) -> Posted {
    Posted {
        team,
        name,
        severity: "critical",
        instance: "node-3:9100",
        summary: HOSTILE,
        description: "<b>bold</b> and a word that is longer than any phone is wide: 0123456789012345678901234567890123456789012345678901234567890123456789",
        minutes: 12,
    }
}

fn bad_night() -> Vec<Posted> {
    vec![
        posted("ops-dingtalk", "GpuMemoryHigh"),
        posted("gpu-wecom", HOSTILE),
        posted("night-shift", "NodeDiskFull"),
        Posted { summary: "", ..posted("night-shift", "GpuXidFatal") },
        posted("old-robot", "InferenceDown"),
        posted("nobody", "LinkDown"),
        posted(HOSTILE, "LinkSlow"),
    ]
}

/// Every page that a menu or a link leads to, with a text that stands on it in Chinese and in English.
fn pages(scene: &Scene, night: &[Posted]) -> Vec<(String, &'static str, &'static str)> {
    let page = |path: &str, zh, en| (scene.relay.url(path), zh, en);
    vec![
        page("/", "正在告警", "What is burning"),
        page("/deliveries", "已送达", "delivered"),
        page("/deliveries?state=dead&from=2020-01-01T00:00&text=GpuXidFatal", "死信", "dead"),
        page("/deliveries?state=no&from=x", "没有这种状态", "no such state"),
        page(&format!("/alerts/{}", night[0].fingerprint()), "已送达", "delivered"),
        page(&format!("/alerts/{}", night[3].fingerprint()), "死信", "dead"),
        page("/dead-letters", "重发", "Send again"),
        page("/preview?target=ops-dingtalk&of=hostile", "第 1 部分", "part 1 of"),
        page("/send-test", "发送测试消息", "Send the test message"),
        page("/settings", "已隐藏", "hidden"),
        page("/settings/reload", "与当前生效的配置相同", "what is in force already"),
        page("/audit-trail", "还没有人工改动", "Nothing was changed"),
        page("/deliveries/ffffff-1", "这里没有内容", "nothing here"),
    ]
}

#[tokio::test]
async fn each_page_is_whole_on_a_phone_and_at_a_desk_in_both_languages() -> Result<()> {
    let night = bad_night();
    let scene = Scene::play(&night).await?;
    let browser = Browser::start("en-US,en").await?;
    let ours = scene.relay.url("/");
    for (url, zh, en) in pages(&scene, &night) {
        for (language, expected) in [("zh-CN", zh), ("en", en)] {
            for (screen, is_night) in [(Screen::Phone, true), (Screen::Phone, false), (Screen::Desk, false)] {
                let seen = format!("{url} in {language}, {screen:?}, night: {is_night}");
                browser.look(screen, is_night).await?;
                let mark = if url.contains('?') { '&' } else { '?' };
                browser.go(&format!("{url}{mark}lang={language}")).await?;
                let text = browser.text().await?;
                ensure!(text.contains(expected), "{seen}: no `{expected}` in\n{text}");
                let shown = browser.value("document.documentElement.lang").await?;
                ensure!(shown == language, "{seen}: {shown}");
                let width = browser.value("document.documentElement.scrollWidth").await?;
                ensure!(width == screen.width(), "{seen}: {width} pixels wide");
                let taken =
                    browser.value("document.title === 'taken' || document.scripts.length > 0").await?;
                ensure!(taken == false, "{seen}: a label became markup");
                let found = browser.axe().await?;
                ensure!(found.is_empty(), "{seen}: axe-core finds\n{}", found.join("\n"));
                let (said, asked) = browser.noted().await?;
                let said: Vec<_> =
                    said.into_iter().filter(|line| !line.contains("404 (Not Found)")).collect();
                ensure!(said.is_empty(), "{seen}: the browser says {said:?}");
                let foreign: Vec<_> =
                    asked.iter().filter(|url| !url.starts_with(&ours) && !url.starts_with("data:")).collect();
                ensure!(!asked.is_empty() && foreign.is_empty(), "{seen}: asked for {foreign:?}");
            }
        }
    }
    browser.stop().await
}

#[tokio::test]
async fn an_operator_finds_what_went_wrong_and_mends_it_without_scripts() -> Result<()> {
    let night = bad_night();
    let scene = Scene::play(&night).await?;
    let browser = Browser::start("en-US,en").await?;
    browser.look(Screen::Phone, true).await?;
    browser.scripts(false).await?;

    // The browser's language, then the one that was chosen, kept from page to page.
    browser.go(&scene.relay.url("/")).await?;
    browser.says("What is burning").await?;
    browser.press(".languages a").await?;
    browser.says("正在告警").await?;
    browser.press("nav a[href$=dead-letters]").await?;
    browser.says("全部死信").await?;
    browser.press(".languages a").await?;
    browser.says("All dead letters").await?;

    // From the overview to the delivery, its attempts and its text.
    browser.go(&scene.relay.url("/")).await?;
    browser.press("a.tile[href=\"/dead-letters\"]").await?;
    browser.says("All dead letters").await?;
    ensure!(browser.find_all("main .card h2 a").await?.len() == 2, "{}", browser.text().await?);
    browser.press("main .card h2 a").await?;
    let story = browser.says("message contains an improper word").await?;
    for expected in ["the text was refused", "routes[2]", "night-shift", "infer-sh", "1 critical alert"] {
        ensure!(story.contains(expected), "no `{expected}` in\n{story}");
    }

    // One is sent again: asked, confirmed, delivered.
    let before = scene.night.robot.posts().len();
    browser.press("button[value=retry]").await?;
    browser.says("Send again?").await?;
    ensure!(scene.night.robot.posts().len() == before, "it was sent before it was confirmed");
    browser.press("button[name=confirmed]").await?;
    browser.says("1 delivery was put into its queue again.").await?;
    scene.night.robot.post_with(&["node-3"], crate::relay_fixture::TIMEOUT).await?;
    browser.press("main li a").await?;
    browser.says("1 of 1 parts are proven delivered.").await?;

    // The other is given up, and the list is empty.
    browser.go(&scene.relay.url("/dead-letters")).await?;
    browser.press("form.card button[value=give_up]").await?;
    browser.press("button[name=confirmed]").await?;
    browser.says("1 delivery was given up.").await?;
    browser.go(&scene.relay.url("/dead-letters")).await?;
    browser.says("There is none.").await?;

    // A filter, filled in by hand.
    browser.go(&scene.relay.url("/deliveries")).await?;
    browser.press("summary").await?;
    browser.find("input[name=text]").await?.send_keys("InferenceDown").await?;
    browser.press("form[action=\"/deliveries\"] button").await?;
    browser.find("input[name=text][value=InferenceDown]").await?;
    ensure!(browser.find_all("main .card h2 a").await?.len() == 1, "{}", browser.text().await?);

    // A test message, to a robot that is there and to one that is not.
    for (target, expected) in
        [("ops-dingtalk", "has arrived at ops-dingtalk"), ("old-robot", "has not arrived at old-robot")]
    {
        browser.go(&scene.relay.url(&format!("/send-test?target={target}"))).await?;
        browser.press("main form button").await?;
        browser.says(expected).await?;
    }

    // A pasted webhook, and one that is none.
    for (body, expected) in
        [(include_str!("console/webhook.json"), "pasted by hand"), ("{\"alerts\": 1}", "alerts")]
    {
        browser.go(&scene.relay.url("/preview?target=gpu-wecom")).await?;
        browser.press("details summary").await?;
        browser.find("textarea").await?.send_keys(body).await?;
        browser.press("form[method=post] button").await?;
        browser.find(if expected == "alerts" { ".notice.red" } else { ".bubble" }).await?;
        browser.says(expected).await?;
    }

    // The settings change, are compared, and are taken.
    let file = scene.relay.settings();
    let text = std::fs::read_to_string(&file)?;
    std::fs::write(&file, text.replace("\"expect_every\":\"1h\"", "\"expect_every\":\"2h\""))?;
    browser.go(&scene.relay.url("/settings")).await?;
    let shown = browser.says("targets.night-shift.dingtalk.secret").await?;
    ensure!(
        !shown.contains(scene.night.secret()) && !shown.contains("access_token"),
        "a secret is shown: {shown}"
    );
    browser.press("a[href=\"/settings/reload\"]").await?;
    let said = browser.says("1 key would change").await?;
    ensure!(said.contains("heartbeats.watchdog.expect_every"), "{said}");
    browser.press("main form button").await?;
    browser.says("The new settings are in force.").await?;

    // All of it is in the trail.
    browser.press("nav a[href$=audit-trail]").await?;
    browser.says("What was changed by hand").await?;
    let mut actions = Vec::new();
    for entry in browser.find_all("main .card strong").await? {
        actions.push(entry.text().await?);
    }
    ensure!(
        actions
            == ["Reload", "Test message", "Test message", "Dead letters given up", "Dead letters sent again"],
        "{actions:?}"
    );
    browser.stop().await
}

/// Where the README's pictures lie; they are written there when `UPDATE_PICTURES` is set.
fn pictures() -> Result<(PathBuf, Option<tempfile::TempDir>)> {
    if std::env::var_os("UPDATE_PICTURES").is_some() {
        return Ok((checkout().join("docs/pictures"), None));
    }
    let folder = tempfile::tempdir()?;
    Ok((folder.path().to_owned(), Some(folder)))
}

#[tokio::test]
async fn the_readmes_pictures_are_taken() -> Result<()> {
    let (folder, _kept) = pictures()?;
    let scene = Scene::play(&calm_night()).await?;
    let browser = Browser::start("en-US,en").await?;
    for (name, path, screen, is_night) in [
        ("console-phone.png", "/?lang=en", Screen::Phone, true),
        ("console-phone.zh-CN.png", "/?lang=zh-CN", Screen::Phone, true),
    ] {
        browser.look(screen, is_night).await?;
        browser.go(&scene.relay.url(path)).await?;
        let file = folder.join(name);
        browser.picture(&file, screen, 1_060).await?;
        let size = file.metadata().with_context(|| file.display().to_string())?.len();
        ensure!(size > 10_000 && size < 400_000, "{name} has {size} bytes");
    }
    browser.stop().await
}

/// A night as it might be, for the pictures.
fn calm_night() -> Vec<Posted> {
    let alert = |team, name, severity, instance, summary, minutes| Posted {
        team,
        name,
        severity,
        instance,
        summary,
        description: "Less than 3 % of the GPU's memory is left: the next long request may fail with CUDA out of memory.",
        minutes,
    };
    vec![
        alert("ops-dingtalk", "GpuMemoryHigh", "critical", "node-3:9100", "GPU 3 memory 97 % used", 12),
        alert(
            "gpu-wecom",
            "InferenceHung",
            "critical",
            "node-7:8000",
            "vLLM answers nothing while GPU 3 is at 99 %",
            4,
        ),
        alert("night-shift", "NodeDiskFull", "warning", "node-2:9100", "/var has 2 % left", 31),
        alert("old-robot", "GpuTooHot", "warning", "node-5:9100", "GPU 3 is at 88 °C", 9),
        alert("network", "LinkDown", "warning", "switch-2:9100", "Port 14 is down", 22),
    ]
}
