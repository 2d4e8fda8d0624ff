//! Leasing: which deliveries may be attempted now, and the fence around each attempt.
//!
//! Every statement costs in proportion to the webhooks that have something pending, never to how
//! much they have: an endpoint with a backlog must not slow the others down.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use sqlx::{AssertSqlSafe, Row as _, any::AnyRow};

use ramal_domain::{DeliveryId, Timestamp, WebhookId, WebhookSecret};

use crate::{Deliveries, Dialect, DueDelivery, StoreError, row::parse};

/// Most first attempts that one transaction leases, unless there are more webhooks than that.
const LEASED_MAX: usize = 512;

/// The first in line of webhook `$of` (an alias): the oldest delivery without a settled attempt.
macro_rules! head {
    ($columns:literal, $of:literal) => {
        concat!(
            "(select ",
            $columns,
            " from deliveries x where x.webhook_id = ",
            $of,
            ".id and x.state = 'pending' and x.tried = 0 order by x.seq limit 1)"
        )
    };
}

/// How many attempts to webhook `$of` are in flight at `$1`. A run of first attempts is one: they go
/// out one after another.
macro_rules! in_flight {
    ($of:literal) => {
        concat!(
            "(select count(*) from deliveries f where f.webhook_id = ",
            $of,
            " and f.state = 'pending' and f.tried = 1 and f.leased_until_ms > $1)
             + (select count(*) from (select 1 from deliveries f where f.webhook_id = ",
            $of,
            " and f.state = 'pending' and f.tried = 0 and f.leased_until_ms > $1 limit 1) as r)"
        )
    };
}

/// Whether webhook `w` has a retry that is due at `$1`.
macro_rules! due_retry {
    () => {
        "exists (select 1 from deliveries r
                 where r.webhook_id = w.id and r.state = 'pending' and r.tried = 1
                   and r.due_at_ms <= $1 and r.leased_until_ms <= $1)"
    };
}

/// How many attempts to webhook `w` may be in flight. Who has not proven itself has one slot.
macro_rules! slots {
    () => {
        "(case when w.proven = 1 then $2 else 1 end)"
    };
}

/// Webhooks with something to lease at `$1` and room for it (`$2`), those that waited longest
/// first, at most `$4` unproven ones among them. The first part hops from webhook to webhook through
/// an index.
macro_rules! webhooks_to_serve {
    ($lock:literal) => {
        concat!(
            "with recursive waiting(id) as (
                 select min(d.webhook_id) from deliveries d where d.state = 'pending'
                 union all
                 select (select min(d.webhook_id) from deliveries d
                         where d.state = 'pending' and d.webhook_id > waiting.id)
                 from waiting where waiting.id is not null),
             ready(id, proven, last_ms, place) as (
                 select w.id, w.proven, coalesce(w.last_triggered_at_ms, 0),
                        row_number() over (partition by w.proven
                                           order by coalesce(w.last_triggered_at_ms, 0), w.id)
                 from waiting join webhooks w on w.id = waiting.id
                 where w.active = 1 and ",
            in_flight!("w.id"),
            " < ",
            slots!(),
            " and (coalesce(",
            head!("case when x.due_at_ms <= $1 and x.leased_until_ms <= $1 then 1 else 0 end", "w"),
            ", 0) = 1 or ",
            due_retry!(),
            "))
             select w.id, w.url, w.secret, w.old_secret, w.old_secret_until_ms,
                    case when ",
            due_retry!(),
            " then 1 else 0 end, w.proven
             from ready join webhooks w on w.id = ready.id
             where w.active = 1 and (ready.proven = 1 or ready.place <= $4)
             order by ready.last_ms, w.id limit $3",
            $lock
        )
    };
}

/// What an attempt needs of a delivery.
macro_rules! due {
    () => {
        "select d.webhook_id, d.id, d.event_id, d.attempts, e.body, e.created_at_ms,
                (select min(t.created_at_ms) from delivery_attempts t
                 where t.delivery_id = d.id and t.created_at_ms >= d.renewed_at_ms)
                as first_tried_at_ms,
                (select count(*) from delivery_attempts t
                 where t.delivery_id = d.id and t.created_at_ms >= d.renewed_at_ms) as tries,
                e.kind "
    };
}

/// Retries of webhook `$2` that are due, at most `$3`, those due longest first.
macro_rules! retries_to_lease {
    ($lock:literal) => {
        concat!(
            due!(),
            "from deliveries d join events e on e.id = d.event_id
             where d.webhook_id = $2 and d.state = 'pending' and d.tried = 1
               and d.due_at_ms <= $1 and d.leased_until_ms <= $1
             order by d.due_at_ms, d.seq limit $3",
            $lock
        )
    };
}

/// A webhook that a leaser holds the lock of.
struct Target {
    id: String,
    webhook: WebhookId,
    url: String,
    secret: WebhookSecret,
    old_secret: Option<WebhookSecret>,
    has_retries: bool,
    proven: bool,
}

impl Target {
    /// As `slots!` says.
    fn slots(&self, limits: &LeaseLimits) -> i64 {
        if self.proven { i64::from(limits.per_webhook) } else { 1 }
    }
}

/// The first `$3 + 1` untried deliveries of webhook `w`.
const FRONT_OF_LINE_SQLITE: &str = "join deliveries d on d.webhook_id = w.id
    and d.state = 'pending' and d.tried = 0
    and d.seq <= coalesce(
        (select x.seq from deliveries x
         where x.webhook_id = w.id and x.state = 'pending' and x.tried = 0
         order by x.seq limit 1 offset $3), d.seq)";
/// The same, so that no plan can begin with the deliveries of everybody: without statistics, as in the
/// first minute of a database, PostgreSQL would. None that is locked is passed over: that would change
/// the order.
const FRONT_OF_LINE_POSTGRES: &str = "cross join lateral
    (select x.* from deliveries x
     where x.webhook_id = w.id and x.state = 'pending' and x.tried = 0
     order by x.seq limit $3 + 1 for update) d";

/// How much to lease at once.
#[derive(Clone, Copy, Debug)]
pub struct LeaseLimits {
    /// For how long other leasers do not see what was leased.
    pub lease: Duration,
    /// Most runs: what can be attempted side by side.
    pub runs: u32,
    /// Most of these to webhooks that are not proven: that have failed last, or taken long, or were
    /// never tried. Any number of endpoints that hang leaves the rest to the others.
    pub unproven: u32,
    /// Most of these to one proven webhook, those in flight included. An unproven one has one.
    pub per_webhook: u32,
    /// Most first attempts in one run.
    pub run_length: u32,
}

impl Deliveries<'_> {
    /// Takes deliveries to active webhooks that are due at `now`, in runs: the deliveries of one run
    /// are to be attempted one after another, so that first attempts to a webhook keep their order.
    /// A retry is a run of its own.
    ///
    /// A webhook that another leaser is looking at is passed over: ask again.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer; nothing is leased.
    pub async fn lease_due(
        &mut self,
        now: Timestamp,
        limits: &LeaseLimits,
    ) -> Result<Vec<Vec<DueDelivery>>, StoreError> {
        let targets = self.targets(now, limits).await?;
        let mut firsts = self.firsts(&targets, now, limits).await?;
        let mut runs = Vec::new();
        for target in &targets {
            let room = i64::from(limits.runs) - i64::try_from(runs.len()).unwrap_or(i64::MAX);
            if room <= 0 {
                break;
            }
            let run = firsts.remove(&target.id);
            if target.has_retries {
                let free = target.slots(limits) - self.in_flight(&target.id, now).await?;
                let free = room.min(free) - i64::from(target.proven && run.is_some());
                let leased = self.retries(target, now, free, &mut runs).await?;
                // Of one slot, retries come first: they end, one way or the other, in a day, while
                // the line of first attempts may never be empty.
                if leased && !target.proven {
                    continue;
                }
            }
            runs.extend(run);
        }
        self.mark(&runs, now.after(limits.lease)).await?;
        Ok(runs)
    }

    /// Gives back what was leased and not attempted, as if it had not been leased. What is someone
    /// else's by now is left alone.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer; the leases then run out.
    pub async fn give_back(&mut self, unposted: &[(DeliveryId, i64)]) -> Result<(), StoreError> {
        if unposted.is_empty() {
            return Ok(());
        }
        let unposted = padded(unposted);
        // Not 0, which would say that the attempt was settled: a moment that has passed.
        let sql = format!(
            "update deliveries set leased_until_ms = 1, attempts = attempts - 1
             where (id, attempts) in (values {}) and state = 'pending' and leased_until_ms > 1",
            placeholder_rows(1, 2, unposted.len()),
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (delivery, attempt) in unposted {
            query = query.bind(delivery.to_string()).bind(attempt);
        }
        query.execute(&mut *self.0.inner).await?;
        Ok(())
    }

    async fn targets(
        &mut self,
        now: Timestamp,
        limits: &LeaseLimits,
    ) -> Result<Vec<Target>, StoreError> {
        // `no key update` lets events be written for the webhook meanwhile.
        let sql = match self.0.dialect {
            Dialect::Sqlite => webhooks_to_serve!(""),
            Dialect::Postgres => webhooks_to_serve!(" for no key update of w skip locked"),
        };
        let rows = sqlx::query(sql)
            .bind(now.as_millis())
            .bind(i64::from(limits.per_webhook))
            .bind(i64::from(limits.runs))
            .bind(i64::from(limits.unproven))
            .fetch_all(&mut *self.0.inner)
            .await?;
        let mut targets = Vec::with_capacity(rows.len());
        for row in &rows {
            match self.target(row, now) {
                Ok(target) => targets.push(target),
                // One damaged row must not hold up everyone else's events.
                Err(error) => tracing::error!(
                    webhook.id = row.try_get::<String, _>(0).unwrap_or_default(),
                    error = &error as &dyn std::error::Error,
                    "the stored webhook cannot be read; its deliveries wait",
                ),
            }
        }
        Ok(targets)
    }

    fn target(&self, row: &AnyRow, now: Timestamp) -> Result<Target, StoreError> {
        let id: String = row.try_get(0)?;
        let sealed: Vec<u8> = row.try_get(2)?;
        let old_until = row.try_get::<Option<i64>, _>(4)?.unwrap_or_default();
        let old: Option<Vec<u8>> = row.try_get(3)?;
        let old = old.filter(|_| old_until > now.as_millis());
        Ok(Target {
            webhook: parse(&id, "webhooks.id")?,
            url: row.try_get(1)?,
            secret: self.secret(&id, &sealed)?,
            old_secret: old.map(|sealed| self.secret(&id, &sealed)).transpose()?,
            has_retries: row.try_get::<i64, _>(5)? != 0,
            proven: row.try_get::<i64, _>(6)? != 0,
            id,
        })
    }

    fn secret(&self, id: &str, sealed: &[u8]) -> Result<WebhookSecret, StoreError> {
        let secret = self.0.vault.open(&["webhooks", id], sealed)?;
        let secret = std::str::from_utf8(&secret)
            .map_err(|_not_text| StoreError::Inconsistent { column: "webhooks.secret" })?;
        parse(secret, "webhooks.secret")
    }

    /// The fronts of the lines of `targets`, as far as they may be attempted, by webhook.
    async fn firsts(
        &mut self,
        targets: &[Target],
        now: Timestamp,
        limits: &LeaseLimits,
    ) -> Result<HashMap<String, Vec<DueDelivery>>, StoreError> {
        let mut firsts: HashMap<String, Vec<DueDelivery>> = HashMap::new();
        if targets.is_empty() {
            return Ok(firsts);
        }
        let ids: Vec<&str> = targets.iter().map(|target| target.id.as_str()).collect();
        let ids = padded(&ids);
        let line = match self.0.dialect {
            Dialect::Sqlite => FRONT_OF_LINE_SQLITE,
            Dialect::Postgres => FRONT_OF_LINE_POSTGRES,
        };
        let sql = format!(
            "{}, case when d.due_at_ms <= $1 and d.leased_until_ms <= $1 then 1 else 0 end as free
             from webhooks w {line} join events e on e.id = d.event_id
             where {} < {} and w.id in ({}) order by d.seq",
            due!(),
            in_flight!("w.id"),
            slots!(),
            placeholders(4, ids.len()),
        );
        let mut query = sqlx::query(AssertSqlSafe(sql))
            .bind(now.as_millis())
            .bind(i64::from(limits.per_webhook))
            .bind(i64::from(run_length(targets.len(), limits)) - 1);
        for id in ids {
            query = query.bind(id);
        }
        let by_id: HashMap<_, _> =
            targets.iter().map(|target| (target.id.as_str(), target)).collect();
        // The first of a line that may not go holds up those behind it.
        let mut held_up = HashSet::new();
        for row in query.fetch_all(&mut *self.0.inner).await? {
            let webhook: String = row.try_get(0)?;
            if row.try_get::<i64, _>(9)? == 0 {
                held_up.insert(webhook);
            } else if let Some(target) = by_id.get(webhook.as_str())
                && !held_up.contains(&webhook)
            {
                match readable(target, &row) {
                    Some(due) => firsts.entry(webhook).or_default().push(due),
                    None => {
                        held_up.insert(webhook);
                    }
                }
            }
        }
        Ok(firsts)
    }

    async fn in_flight(&mut self, webhook: &str, now: Timestamp) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(concat!("select ", in_flight!("$2")))
            .bind(now.as_millis())
            .bind(webhook)
            .fetch_one(&mut *self.0.inner)
            .await?)
    }

    /// Adds retries of `target` that are due to `runs`, and returns whether there were any.
    async fn retries(
        &mut self,
        target: &Target,
        now: Timestamp,
        limit: i64,
        runs: &mut Vec<Vec<DueDelivery>>,
    ) -> Result<bool, StoreError> {
        if limit <= 0 {
            return Ok(false);
        }
        let sql = match self.0.dialect {
            Dialect::Sqlite => retries_to_lease!(""),
            Dialect::Postgres => retries_to_lease!(" for update of d skip locked"),
        };
        let rows = sqlx::query(sql)
            .bind(now.as_millis())
            .bind(&target.id)
            .bind(limit)
            .fetch_all(&mut *self.0.inner)
            .await?;
        let before = runs.len();
        runs.extend(rows.iter().filter_map(|row| readable(target, row)).map(|due| vec![due]));
        Ok(runs.len() > before)
    }

    /// Starts the attempts: from here on nobody else can.
    async fn mark(
        &mut self,
        runs: &[Vec<DueDelivery>],
        until: Timestamp,
    ) -> Result<(), StoreError> {
        if runs.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = runs.iter().flatten().map(|due| due.id.to_string()).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let ids = padded(&ids);
        let sql = format!(
            "update deliveries set attempts = attempts + 1, leased_until_ms = $1 where id in ({})",
            placeholders(2, ids.len()),
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(until.as_millis());
        for id in ids {
            query = query.bind(id);
        }
        query.execute(&mut *self.0.inner).await?;
        Ok(())
    }
}

/// How long runs may be when there are `targets`: what one transaction takes on has a limit.
fn run_length(targets: usize, limits: &LeaseLimits) -> u32 {
    let share = LEASED_MAX.checked_div(targets).and_then(|share| u32::try_from(share).ok());
    share.unwrap_or(1).clamp(1, limits.run_length.max(1))
}

/// One damaged row must not hold up everyone else's events; only those behind it wait.
fn readable(target: &Target, row: &AnyRow) -> Option<DueDelivery> {
    due_delivery(target, row)
        .inspect_err(|error| {
            tracing::error!(
                webhook.id = %target.webhook,
                delivery.id = row.try_get::<String, _>(1).unwrap_or_default(),
                error = error as &dyn std::error::Error,
                "the stored delivery cannot be read; it waits",
            );
        })
        .ok()
}

fn due_delivery(target: &Target, row: &AnyRow) -> Result<DueDelivery, StoreError> {
    Ok(DueDelivery {
        id: parse(&row.try_get::<String, _>(1)?, "deliveries.id")?,
        event: parse(&row.try_get::<String, _>(2)?, "deliveries.event_id")?,
        webhook: target.webhook,
        attempt: row.try_get::<i64, _>(3)?.saturating_add(1),
        url: target.url.clone(),
        secret: target.secret.clone(),
        old_secret: target.old_secret.clone(),
        body: row.try_get(4)?,
        kind: row.try_get(8)?,
        created_at: Timestamp::from_millis(row.try_get(5)?),
        first_tried_at: row.try_get::<Option<i64>, _>(6)?.map(Timestamp::from_millis),
        tries: u32::try_from(row.try_get::<i64, _>(7)?).unwrap_or(u32::MAX),
        proven: target.proven,
    })
}

/// `items`, its last one repeated up to the next power of two, so that lists of any length need few
/// prepared statements.
pub(crate) fn padded<T: Copy>(items: &[T]) -> Vec<T> {
    let mut padded = items.to_vec();
    if let Some(&last) = items.last() {
        padded.resize(items.len().next_power_of_two(), last);
    }
    padded
}

/// `$first, $first+1, …`, `count` of them.
pub(crate) fn placeholders(first: usize, count: usize) -> String {
    let list: Vec<String> = (first..first + count).map(|index| format!("${index}")).collect();
    list.join(", ")
}

/// `(a, b), (c, d), …`: `rows` rows of `width` placeholders, counted from `$first`.
pub(crate) fn placeholder_rows(first: usize, width: usize, rows: usize) -> String {
    let list: Vec<String> =
        (0..rows).map(|row| format!("({})", placeholders(first + row * width, width))).collect();
    list.join(", ")
}

#[cfg(test)]
mod tests {
    use ramal_domain::{Event, EventId, EventKind, NodeId, NumberId, PhoneNumber, TenantId};

    use super::*;
    use crate::{MasterKey, NewNumber, NewWebhook, Options, Store, Tenant, Tx, Vault};

    #[test]
    fn lists_are_padded_to_a_power_of_two_with_what_is_there() {
        assert_eq!(padded(&[1, 2, 3]), [1, 2, 3, 3]);
        assert_eq!(padded(&[1]), [1]);
        assert!(padded::<u8>(&[]).is_empty());
        assert_eq!(placeholders(3, 2), "$3, $4");
        assert_eq!(placeholder_rows(2, 2, 2), "($2, $3), ($4, $5)");
    }

    /// A tenant's number with two webhooks for everything, and one event for them.
    async fn two_lines(tx: &mut Tx) -> [WebhookId; 2] {
        let now = Timestamp::from_secs(1_780_000_000);
        let (tenant, number) = (TenantId::mint(), NumberId::mint());
        let phone: PhoneNumber = "+5511999999999".parse().unwrap();
        let row = Tenant { id: tenant, name: "Acme".to_owned(), created_at: now };
        tx.tenants().create(&row).await.unwrap();
        let new = NewNumber {
            id: number,
            tenant,
            phone: &phone,
            name: "Sales",
            settings: "{}",
            provider: ramal_domain::Provider::Web,
        };
        tx.numbers().reserve(&new, NodeId::mint(), now).await.unwrap();
        let ids = [WebhookId::mint(), WebhookId::mint()];
        for id in ids {
            let webhook = NewWebhook {
                id,
                tenant,
                number,
                name: "n8n",
                url: "https://hooks.example.com/",
                events: &["*".to_owned()],
                active: true,
                secret: &WebhookSecret::mint(),
            };
            tx.webhooks().create(&webhook, now).await.unwrap();
        }
        let (kind, body) = (EventKind::MessageSent, "{}".to_owned());
        let (id, message) = (EventId::mint(), None);
        let event = Event { id, tenant, number, message, kind, body, at: now };
        tx.events().record(&event).await.unwrap();
        ids
    }

    #[tokio::test]
    async fn a_delivery_that_cannot_be_read_holds_up_no_other_webhook() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/ramal.db", folder.path().display()).into();
        let options = Options { url, max_connections: 2 };
        let store = Store::open(&options, Vault::new(MasterKey::mint())).await.unwrap();
        let limits = LeaseLimits {
            lease: Duration::from_mins(1),
            runs: 9,
            unproven: 9,
            per_webhook: 9,
            run_length: 9,
        };
        let mut tx = store.begin().await.unwrap();
        let [damaged, well] = two_lines(&mut tx).await;

        for tried in [0, 1] {
            sqlx::query("update deliveries set id = 'damaged', tried = $2 where webhook_id = $1")
                .bind(damaged.to_string())
                .bind(tried)
                .execute(&mut *tx.inner)
                .await
                .unwrap();
            let now = Timestamp::from_secs(1_780_000_100 + 100 * tried);
            let leased = tx.deliveries().lease_due(now, &limits).await.unwrap().concat();
            assert_eq!(leased.iter().map(|due| due.webhook).collect::<Vec<_>>(), [well]);
        }
    }
}
