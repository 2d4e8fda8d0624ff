//! `ramal user`: people who sign in to the dashboard, added on the server's machine.

use ramal_tests::World;

const GOOD: &str = "correct horse battery\n";

#[tokio::test(flavor = "multi_thread")]
async fn people_are_added_listed_and_removed() {
    let world = World::start().await;
    let product = &world.product;
    assert!(product.run(&["user", "list"]).contains("Nobody can sign in yet"));

    let (status, printed, _) = product.run_with(&["user", "add", "Ana@Acme.com"], GOOD);
    assert!(status.success() && printed.contains("ana@acme.com signs in as owner"), "{printed}");
    let viewer = ["user", "add", "bob@acme.com", "--role", "viewer"];
    assert!(product.run_with(&viewer, GOOD).0.success());

    let listed = product.run(&["user", "list"]);
    assert!(listed.contains("ana@acme.com  owner") && listed.contains("bob@acme.com  viewer"));
    let (status, printed, _) = product.run_with(&["user", "password", "ana@acme.com"], GOOD);
    assert!(status.success() && printed.contains("new password"), "{printed}");
    assert!(product.run(&["user", "remove", "bob@acme.com"]).contains("removed"));
    assert!(!product.run(&["user", "list"]).contains("bob@acme.com"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_and_changes_nothing() {
    let world = World::start().await;
    let product = &world.product;
    assert!(product.run_with(&["user", "add", "ana@acme.com"], GOOD).0.success());
    let refused = |args: &[&str], input: &str, expected: &str| {
        let (status, printed, complaint) = product.run_with(args, input);
        assert!(!status.success(), "{args:?}: {printed}");
        assert!(complaint.contains(expected), "{args:?}: {complaint}");
    };

    refused(&["user", "add", "ana@acme.com"], GOOD, "already");
    refused(&["user", "add", "bob@acme.com"], "short\n", "10 characters");
    refused(&["user", "add", "bob@acme.com"], "", "10 characters");
    refused(&["user", "add", "no-address"], GOOD, "ana@acme.com");
    refused(&["user", "add", "bob@acme.com", "--role", "king"], GOOD, "owner or viewer");
    refused(&["user", "password", "bob@acme.com"], GOOD, "nobody signs in");
    refused(&["user", "remove", "bob@acme.com"], "", "nobody signs in");
    product.second_tenant();
    refused(&["user", "add", "bob@acme.com"], GOOD, "several tenants");

    assert!(!product.run(&["user", "list"]).contains("bob@acme.com"));
}
