//! The stand-in as a program, for runs of wafsync in another process.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program: it prints its address or an error")]

use std::error::Error;
use std::net::Ipv4Addr;
use std::process::ExitCode;

use serde_json::json;
use wafsync_test_aws::{Aws, Config};

const USAGE: &str = "usage: wafsync-test-aws [--port N] [--region REGION] [--table NAME] [--items N] \
                     [--addresses-per-item N] [--key-length N] [--random-keys] [--name NAME] [--max-ip-sets N] \
                     [--no-rates] [--preload] [--changed N] [--prefix N] [--item-bytes N] [--neighbors N]";

/// The first address of the items. Later ones count up from it, to at most sixteen million.
const FIRST_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// How far the addresses of changed items move, which is beyond all others.
const MOVED: u32 = 1 << 23;

/// The options on the command line.
struct Options {
    port: u16,
    region: String,
    table: String,
    items: u32,
    addresses_per_item: u32,
    key_length: usize,
    random_keys: bool,
    name: String,
    max_ip_sets: usize,
    rates: bool,
    preload: bool,
    changed: u32,
    /// The prefix length of each address. Above 32, the addresses are invalid.
    prefix: u8,
    /// Size of an attribute that wafsync does not read, in bytes.
    item_bytes: usize,
    /// Leaves out as many addresses after every so many, which then have no other neighbors. 0: leaves out none.
    neighbors: u32,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut options = Self {
            port: 0,
            region: "eu-central-1".to_owned(),
            table: "clusters".to_owned(),
            items: 0,
            addresses_per_item: 1,
            key_length: 0,
            random_keys: false,
            name: "wafsync".to_owned(),
            max_ip_sets: 100,
            rates: true,
            preload: false,
            changed: 0,
            prefix: 32,
            item_bytes: 0,
            neighbors: 0,
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value\n{USAGE}"));
            match argument.as_str() {
                "--port" => options.port = value()?.parse()?,
                "--region" => options.region = value()?,
                "--table" => options.table = value()?,
                "--items" => options.items = value()?.parse()?,
                "--addresses-per-item" => options.addresses_per_item = value()?.parse()?,
                "--key-length" => options.key_length = value()?.parse()?,
                "--random-keys" => options.random_keys = true,
                "--name" => options.name = value()?,
                "--max-ip-sets" => options.max_ip_sets = value()?.parse()?,
                "--no-rates" => options.rates = false,
                "--preload" => options.preload = true,
                "--changed" => options.changed = value()?.parse()?,
                "--prefix" => options.prefix = value()?.parse()?,
                "--neighbors" => options.neighbors = value()?.parse()?,
                "--item-bytes" => options.item_bytes = value()?.parse()?,
                _ => return Err(format!("unknown argument {argument}\n{USAGE}").into()),
            }
        }
        Ok(options)
    }

    /// The account that the options describe.
    fn account(&self) -> Aws {
        let mut config = Config { region: self.region.clone(), for_people: true, ..Config::default() };
        if !self.rates {
            (config.read_rate, config.write_rate) = (None, None);
        }
        let aws = Aws::new(config);
        aws.create_table(&self.region, &self.table);
        for item in 0..self.items {
            self.put(&aws, item, 0);
        }
        if self.preload {
            aws.preload(&self.region, &self.table, &self.name, self.max_ip_sets);
        }
        // Spread over the whole table, and so over all IP sets.
        for item in (0..self.items).step_by(usize::try_from(self.items / self.changed.max(1)).unwrap_or(1).max(1)) {
            if item / (self.items / self.changed.max(1)).max(1) < self.changed {
                self.put(&aws, item, MOVED);
            }
        }
        aws
    }
}

impl Options {
    /// Puts the item of this number, with its addresses moved up by `moved`.
    fn put(&self, aws: &Aws, item: u32, moved: u32) {
        let gaps = item.checked_div(self.neighbors).map_or(0, |gaps| gaps * self.neighbors + 1);
        let place = item * self.addresses_per_item + gaps;
        let first = u32::from(FIRST_ADDRESS) + moved + place;
        let addresses = first..first + self.addresses_per_item;
        let prefix = self.prefix;
        let cidrs: Vec<String> = addresses.map(|bits| format!("{}/{prefix}", Ipv4Addr::from(bits))).collect();
        let key = self.key(item);
        let mut value = json!({ "id": { "S": key }, "ips": { "S": json!(cidrs).to_string() } });
        if self.item_bytes > 0
            && let Some(attributes) = value.as_object_mut()
        {
            attributes.insert("padding".to_owned(), json!({ "S": "x".repeat(self.item_bytes) }));
        }
        aws.put_item(&self.table, &key, value);
    }

    /// `cluster-0000007`, cut or extended to the requested length.
    fn key(&self, item: u32) -> String {
        if self.random_keys {
            let mut random = fastrand::Rng::with_seed(item.into());
            return (0..self.key_length.max(8)).map(|_| random.alphanumeric()).collect();
        }
        let key = format!("cluster-{item:07}");
        match self.key_length.checked_sub(key.len()) {
            None if self.key_length > 0 => format!("{item:0width$}", width = self.key_length),
            None | Some(0) => key,
            Some(more) => format!(
                "{}{key}",
                "eu-central-1/production/nat-gateways/".chars().cycle().take(more).collect::<String>()
            ),
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let options = Options::parse(std::env::args().skip(1))?;
    let server = options.account().serve_on(options.port).await?;
    println!("listening on {}", server.url());
    std::future::pending().await
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wafsync-test-aws: {error}");
            ExitCode::from(64)
        }
    }
}
