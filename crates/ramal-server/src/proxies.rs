//! Whom to believe about where a request comes from.

use std::{net::IpAddr, str::FromStr};

use hyper::HeaderMap;

/// What proxies write down: each appends whom it has heard.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The proxies in front of this server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proxies(Vec<Network>);

impl Proxies {
    /// Reads addresses and networks, such as `192.0.2.1` and `10.0.0.0/8`.
    pub(crate) fn parse(texts: &[String]) -> Result<Self, String> {
        texts.iter().map(|text| text.parse()).collect::<Result<_, _>>().map(Self)
    }

    /// Where a request comes from that `peer` sent: the last of whom proxies name that is none of them.
    /// What stands before that may be anybody's invention.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let mut named = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        while self.has(client) {
            // A proxy that names nobody, or nonsense, speaks for itself.
            let Some(Ok(before)) = named.next().map(|text| text.trim().parse::<IpAddr>()) else {
                break;
            };
            client = before.to_canonical();
        }
        client
    }

    fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.has(address))
    }
}

/// An address and how many of its first bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    fn has(self, address: IpAddr) -> bool {
        let differ = match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(other)) => {
                (ours.to_bits() ^ other.to_bits()).leading_zeros()
            }
            (IpAddr::V6(ours), IpAddr::V6(other)) => {
                (ours.to_bits() ^ other.to_bits()).leading_zeros()
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        differ >= self.bits
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text}: is no address and no network such as 10.0.0.0/8");
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_malformed| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_malformed| wrong()))?;
        if bits > most { Err(wrong()) } else { Ok(Self { address, bits }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(proxies: &[&str], peer: &str, forwarded: &[&'static str]) -> String {
        let proxies: Vec<String> = proxies.iter().map(|&text| text.to_owned()).collect();
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        Proxies::parse(&proxies).unwrap().client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted = ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"];
        for (peer, forwarded, expected) in [
            ("203.0.113.9", &["198.51.100.1"][..], "203.0.113.9"),
            ("10.1.2.3", &["198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.1.2.3", &["198.51.100.1"], "198.51.100.1"),
            ("10.1.2.3", &["8.8.8.8, 198.51.100.1"], "198.51.100.1"),
            ("10.1.2.3", &["8.8.8.8, 198.51.100.1, 192.0.2.7, 10.9.9.9"], "198.51.100.1"),
            ("10.1.2.3", &["8.8.8.8", "198.51.100.1"], "198.51.100.1"),
            ("2001:db8::5", &["2001:db9::1"], "2001:db9::1"),
            ("10.1.2.3", &[], "10.1.2.3"),
            ("10.1.2.3", &["8.8.8.8, nonsense"], "10.1.2.3"),
            ("192.0.2.8", &["198.51.100.1"], "192.0.2.8"),
        ] {
            assert_eq!(client(&trusted, peer, forwarded), expected, "{peer} {forwarded:?}");
        }
        assert_eq!(client(&[], "10.1.2.3", &["198.51.100.1"]), "10.1.2.3");
        assert_eq!(client(&["0.0.0.0/0"], "10.1.2.3", &["198.51.100.1"]), "198.51.100.1");
    }

    #[test]
    fn nonsense_is_named() {
        for text in ["", "example.com", "10.0.0.0/33", "10.0.0.0/", "::1/129", "10.0.0.0/-1"] {
            assert!(Proxies::parse(&[text.to_owned()]).is_err(), "{text}");
        }
    }
}
