//! A site that nothing but an HTTP proxy leads out of.

use super::scene::begin;
use karez_tests::cluster::tree::{course, fingerprint};
use karez_tests::cluster::{Cluster, Helper, Node, NodeOptions, until};
use karez_tests::network::Network;

const HOSTS: [&str; 4] = ["tracker", "flagship", "proxy", "site"];

/// Between the site and the others goes what the proxy takes and gives, and nothing else.
fn only_the_proxy(network: &Network) -> String {
    let proxy = network.address("proxy");
    format!(
        "table inet wall {{ chain way {{ type filter hook forward priority 0; \
         iifname to-site ip daddr {proxy} tcp dport 3128 accept; oifname to-site ip saddr {proxy} tcp sport 3128 accept; \
         iifname to-site drop; oifname to-site drop; }} }}"
    )
}

async fn proxy(network: &Network, rules: &[&str]) -> Helper {
    let listen = format!("{}:3128", network.address("proxy"));
    Helper::start_in(&network.place("proxy"), "httpproxy", &[&[listen.as_str()], rules].concat()).await
}

async fn flagship_and_site(network: &Network) -> (Cluster, Node, Node) {
    network.rules("router", &only_the_proxy(network));
    let cluster = Cluster::start_in(&network.place("tracker"), &format!("{}:4040", network.address("tracker"))).await;
    let options = NodeOptions { invite: &["--publisher", "bj4"], run: &[] };
    let flagship = cluster.node_in(&network.place("flagship"), "flagship", "0.0.0.0:4041", options).await;
    let url = format!("http://li:p%40ss@{}:3128", network.address("proxy"));
    let options = NodeOptions { invite: &[], run: &["--proxy", &url] };
    let site = cluster.node_in(&network.place("site"), "site", "[::]:4041", options).await;
    (cluster, flagship, site)
}

#[tokio::test]
async fn a_site_that_only_a_proxy_leads_out_of_gets_everything() {
    let Some(network) = Network::start(&HOSTS) else { return };
    let _proxy = proxy(&network, &["--credentials", "li:p@ss"]).await;
    let (cluster, flagship, site) = flagship_and_site(&network).await;
    let source = cluster.path("source");
    let stored = begin(&cluster, &flagship, &site, 12).await;
    let row = site.complete("bj4/shui", 1).await;
    let status = site.status().await;
    assert_eq!((&status["peers"][0]["lane"], &status["peers"][0]["lane_reason"]), (&"tcp".into(), &"proxy".into()));
    let (address, problems) = (format!("{}:3128", network.address("proxy")), serde_json::json!([]));
    assert_eq!((&status["node"]["proxy"], &status["problems"]), (&address.as_str().into(), &problems));
    for (language, words) in [("en", "through the HTTP proxy: UDP blocked"), ("zh", "经 HTTP 代理：UDP 不通")] {
        site.shows(language, words).await;
        site.shows(language, &address).await;
    }
    let copy = cluster.path("copy");
    site.json(&["pull", "bj4/shui", "--to", copy.to_str().unwrap()]).await;
    assert_eq!(fingerprint(&copy), fingerprint(&source));
    println!("{stored} bytes through a proxy in {:.1} s", row["wall_s"].as_f64().unwrap());
    let sent = flagship.counter("chunk_bytes_sent").await;
    assert_eq!((sent, site.counter("refetched_chunks").await), (stored, 0), "each chunk once");
}

/// Waits until the status names a problem in these words.
async fn problem(site: &Node, words: &str) {
    until(&format!("the status says: {words}"), async || {
        let problems = site.status().await["problems"].to_string();
        problems.contains(words).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_proxy_that_refuses_is_a_problem_until_it_does_not() {
    let Some(network) = Network::start(&HOSTS) else { return };
    let open = proxy(&network, &[]).await;
    let (cluster, flagship, site) = flagship_and_site(&network).await;
    let source = cluster.path("source");
    course(&source, 2);
    flagship.publish(&source, "bj4/shui").await;
    site.see("bj4/shui").await;
    open.kill().await;
    problem(&site, "cannot be reached").await;
    let shut = proxy(&network, &["--credentials", "li:other"]).await;
    problem(&site, "USER:PASSWORD@").await;
    site.shows("zh", "用户名和密码").await;
    shut.kill().await;
    let narrow = proxy(&network, &["--connect-to", "443"]).await;
    site.json(&["follow", "bj4/shui"]).await;
    problem(&site, "answer 403").await;
    site.shows("zh", "443 端口").await;
    narrow.kill().await;
    let _open = proxy(&network, &[]).await;
    site.complete("bj4/shui", 1).await;
    until("nothing is to be looked after", async || {
        (site.status().await["problems"] == serde_json::json!([])).then_some(())
    })
    .await;
}
