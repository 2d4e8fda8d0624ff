//! `[limits]`: how often is too often.

use std::{
    hash::Hash,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    time::Duration,
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};
use ramal_domain::{Email, KeyScope, NumberId, PairingLinkId, PhoneNumber, TenantId};
use serde::Deserialize;

use crate::Refusal;

/// `[limits]`: how often is too often.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitOptions {
    /// How many requests one key may send at once; 0: as many as it likes.
    pub key_burst: u32,
    /// How many requests a second one key may send in the long run.
    pub key_per_second: u32,
    /// How many requests one pairing link may send at once; 0: as many as it likes.
    pub link_burst: u32,
    /// How many requests a second one pairing link may send in the long run.
    pub link_per_second: u32,
    /// How many requests one client address may send to pairing links at once, whether there are such
    /// links or not; 0: as many as it likes. Of IPv6 a whole /64 counts as one.
    pub address_burst: u32,
    /// How many requests a second one client address may send to pairing links in the long run.
    pub address_per_second: u32,
    /// How many pairing attempts one phone number may begin at once; 0: as many as it likes.
    pub pairing_burst: u32,
    /// How long until one of them is forgotten.
    #[serde(with = "humantime_serde")]
    pub pairing_every: Duration,
    /// How many times one e-mail address may try to sign in at once, and from one network address three
    /// times as many; 0: as many as it likes.
    pub sign_in_burst: u32,
    /// How long until one of these tries is forgotten.
    #[serde(with = "humantime_serde")]
    pub sign_in_every: Duration,
}

impl Default for LimitOptions {
    fn default() -> Self {
        Self {
            key_burst: 500,
            key_per_second: 100,
            link_burst: 60,
            link_per_second: 5,
            address_burst: 240,
            address_per_second: 10,
            pairing_burst: 30,
            pairing_every: Duration::from_secs(30),
            sign_in_burst: 10,
            sign_in_every: Duration::from_mins(1),
        }
    }
}

impl LimitOptions {
    /// Adds what is wrong with this section to `problems`.
    pub fn check(&self, problems: &mut Vec<String>) {
        if self.key_per_second == 0 {
            problems.push("limits.key_per_second must be at least 1".to_owned());
        }
        if self.link_per_second == 0 {
            problems.push("limits.link_per_second must be at least 1".to_owned());
        }
        if self.address_per_second == 0 {
            problems.push("limits.address_per_second must be at least 1".to_owned());
        }
        if self.pairing_every.is_zero() {
            problems.push("limits.pairing_every must be above 0".to_owned());
        }
        if self.sign_in_every.is_zero() {
            problems.push("limits.sign_in_every must be above 0".to_owned());
        }
    }
}

/// How many client addresses are remembered between two sweeps.
const ADDRESSES_MAX: usize = 50_000;
/// Those that are not.
const EVERYBODY_ELSE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// What belongs to one client: an IPv4 address, or the /64 that a customer of IPv6 gets at least.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
    }
}

/// The token buckets. In memory: a restart fills them.
#[derive(Debug)]
pub(crate) struct Limits {
    keys: Buckets<(TenantId, Option<NumberId>)>,
    links: Buckets<PairingLinkId>,
    addresses: Buckets<IpAddr>,
    pairings: Buckets<(TenantId, String)>,
    /// By where it comes from as well: strangers' tries must not keep the person out.
    sign_ins: Buckets<(Email, Option<IpAddr>)>,
    /// From everywhere together.
    sign_ins_of_email: Buckets<Email>,
    sign_in_addresses: Buckets<IpAddr>,
}

impl Limits {
    pub(crate) fn new(options: &LimitOptions) -> Self {
        let per_second = NonZeroU32::new(options.key_per_second).map(Quota::per_second);
        let link = NonZeroU32::new(options.link_per_second).map(Quota::per_second);
        let address = NonZeroU32::new(options.address_per_second).map(Quota::per_second);
        let pairing = Quota::with_period(options.pairing_every);
        Self {
            keys: Buckets::new(options.key_burst, per_second),
            links: Buckets::new(options.link_burst, link),
            addresses: Buckets::new(options.address_burst, address),
            pairings: Buckets::new(options.pairing_burst, pairing),
            sign_ins: Buckets::new(
                options.sign_in_burst,
                Quota::with_period(options.sign_in_every),
            ),
            sign_ins_of_email: Buckets::new(
                options.sign_in_burst.saturating_mul(20),
                Quota::with_period(options.sign_in_every / 20),
            ),
            sign_in_addresses: Buckets::new(
                options.sign_in_burst.saturating_mul(3),
                Quota::with_period(options.sign_in_every / 3),
            ),
        }
    }

    /// One request of a key. Its successors share the bucket: a rotation does not fill it.
    pub(crate) fn request(&self, tenant: TenantId, scope: KeyScope) -> Result<(), Refusal> {
        let number = match scope {
            KeyScope::Tenant => None,
            KeyScope::Number(number) => Some(number),
        };
        self.keys.take(&(tenant, number))
    }

    /// One request of a pairing link.
    pub(crate) fn link(&self, link: PairingLinkId) -> Result<(), Refusal> {
        self.links.take(&link)
    }

    /// One request of a client address to a pairing link, which there may not be.
    pub(crate) fn address(&self, address: IpAddr) -> Result<(), Refusal> {
        let one = network(address);
        // When more addresses are at it than can be remembered, those that come on top are one.
        let known = self.addresses.len() < ADDRESSES_MAX;
        self.addresses.take(if known { &one } else { &EVERYBODY_ELSE })
    }

    /// One pairing attempt of a phone number.
    pub(crate) fn pairing(&self, tenant: TenantId, phone: &PhoneNumber) -> Result<(), Refusal> {
        self.pairings.take(&(tenant, phone.digits().to_owned()))
    }

    /// One try to sign in.
    pub(crate) fn sign_in(
        &self,
        email: Option<&Email>,
        address: Option<IpAddr>,
    ) -> Result<(), Refusal> {
        // First: who tries many e-mail addresses must not fill the memory with them.
        let known = self.sign_in_addresses.len() < ADDRESSES_MAX;
        let address = address.map(|it| if known { network(it) } else { EVERYBODY_ELSE });
        address.map_or(Ok(()), |address| self.sign_in_addresses.take(&address))?;
        let Some(email) = email else { return Ok(()) };
        self.sign_ins.take(&(email.clone(), address))?;
        self.sign_ins_of_email.take(email)
    }

    /// Forgets full buckets, so that memory is bounded by what is in use.
    pub(crate) fn tidy(&self) {
        self.keys.tidy();
        self.links.tidy();
        self.addresses.tidy();
        self.pairings.tidy();
        self.sign_ins.tidy();
        self.sign_ins_of_email.tidy();
        self.sign_in_addresses.tidy();
    }
}

/// A bucket for each `K`; `None`: no limit.
#[derive(Debug)]
struct Buckets<K: Hash + Eq + Clone>(Option<DefaultKeyedRateLimiter<K>>);

impl<K: Hash + Eq + Clone> Buckets<K> {
    fn new(burst: u32, quota: Option<Quota>) -> Self {
        let quota = NonZeroU32::new(burst).zip(quota);
        Self(quota.map(|(burst, quota)| RateLimiter::keyed(quota.allow_burst(burst))))
    }

    fn take(&self, key: &K) -> Result<(), Refusal> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        limiter.check_key(key).map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            // Rounded up: who comes back then is let in.
            Refusal::RateLimited { retry_after_seconds: wait.as_secs().saturating_add(1) }
        })
    }

    fn len(&self) -> usize {
        self.0.as_ref().map_or(0, RateLimiter::len)
    }

    fn tidy(&self) {
        if let Some(limiter) = &self.0 {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_limited_and_its_neighbours_in_ipv6_with_it() {
        let options =
            LimitOptions { address_burst: 2, address_per_second: 1, ..LimitOptions::default() };
        let limits = Limits::new(&options);
        let take = |address: &str| limits.address(address.parse().unwrap()).is_ok();

        assert_eq!(["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1"].map(take), [true, true, false]);
        assert!(take("192.0.2.2"));
        let neighbours = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::3"];
        assert_eq!(neighbours.map(take), [true, true, false, true]);
    }

    #[test]
    fn a_key_is_limited_and_another_one_is_not() {
        let options = LimitOptions { key_burst: 3, key_per_second: 1, ..LimitOptions::default() };
        let limits = Limits::new(&options);
        let (tenant, other) = (TenantId::mint(), KeyScope::Number(NumberId::mint()));
        let request = || limits.request(tenant, KeyScope::Tenant);

        let taken = (0..4).map(|_| request()).collect::<Vec<_>>();

        assert_eq!(taken[..3], [Ok(()), Ok(()), Ok(())]);
        let refused = Err(Refusal::RateLimited { retry_after_seconds: 1 });
        assert_eq!(taken[3], refused);
        assert_eq!(limits.request(tenant, other), Ok(()));
        limits.tidy();
        assert_eq!(request(), refused, "tidying forgets no empty bucket");
    }

    #[test]
    fn a_phone_number_s_pairing_attempts_are_limited_per_tenant() {
        let options = LimitOptions { pairing_burst: 2, ..LimitOptions::default() };
        let limits = Limits::new(&options);
        let (tenant, other) = (TenantId::mint(), TenantId::mint());
        let phone: PhoneNumber = "+5511999999999".parse().unwrap();

        assert_eq!(limits.pairing(tenant, &phone), Ok(()));
        assert_eq!(limits.pairing(tenant, &phone), Ok(()));
        let Err(Refusal::RateLimited { retry_after_seconds }) = limits.pairing(tenant, &phone)
        else {
            panic!("the third attempt should be refused");
        };
        assert!((29..=31).contains(&retry_after_seconds), "{retry_after_seconds}");
        assert_eq!(limits.pairing(other, &phone), Ok(()));
    }

    #[test]
    fn zero_is_no_limit() {
        let options = LimitOptions { key_burst: 0, pairing_burst: 0, ..LimitOptions::default() };
        let limits = Limits::new(&options);
        let tenant = TenantId::mint();

        assert!((0..1_000).all(|_| limits.request(tenant, KeyScope::Tenant).is_ok()));
    }
}
