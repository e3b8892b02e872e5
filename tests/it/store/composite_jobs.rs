//! Jobs that run other jobs, and aliases.

use gatecast_core::alias::{AliasName, ModelRef};
use gatecast_core::composite_job::{self, CompositeJob, NewChildJob, Outcome, Transition};
use gatecast_core::ids::ModelId;
use gatecast_core::job::{Job, JobStatus};
use gatecast_core::kinds::JobSpec;
use gatecast_core::metric_values::{FinalMetrics, HoldoutMetrics, Metrics};
use gatecast_store::queue::WriteOutcome;
use gatecast_store::{AliasPage, Cancellation, JobDeletion, JobFilter, NewJob};
use serde_json::json;

use super::{Bed, all, new_job, new_model, on_both, order, owner, status, terms};

on_both!(
    children_are_claimed_but_their_parent_is_not,
    a_parent_ends_once_with_its_childrens_results,
    a_cancelled_parent_ends_after_its_children,
    a_parent_and_its_children_are_deleted_together_after_their_end,
    concurrent_transitions_add_each_child_once,
    an_alias_points_to_one_model_at_a_time,
    aliases_are_listed_in_pages,
);

/// A comparison of two trainings.
pub(super) async fn parent(bed: &Bed) -> Job {
    let dataset = bed.dataset().await;
    let plan: Vec<_> = [1, 2].map(|seed| json!({"name": "base", "seed": seed, "train": order(dataset)})).into();
    let compare = json!({"version": 2, "kind": "compare", "name": "two", "base": {"dataset": dataset}, "seeds": [1, 2],
                         "metric": "validation.mae", "alias": "best", "plan": plan});
    let compare = JobSpec::read(&compare.to_string()).unwrap();
    let child = |slot: u32| {
        let mut order = order(dataset);
        order.training.seed = u64::from(slot) + 1;
        NewChildJob { slot, name: format!("child {slot}"), order: order.into() }
    };
    let new = NewJob { order: compare, children: vec![child(0), child(1)], ..new_job(dataset) };
    bed.store.insert_job(new).await.unwrap().unwrap()
}

async fn advance(bed: &Bed, parent: &Job) -> bool {
    bed.store.advance(parent.id, composite_job::next).await.unwrap().acted
}

fn metrics(mae: f64) -> FinalMetrics {
    let model = HoldoutMetrics { validation: Some(Metrics { mae, ..Metrics::default() }), test: None };
    FinalMetrics { model, ..FinalMetrics::default() }
}

/// Claims the next child and ends it with a model.
async fn succeed(bed: &Bed, mae: f64) -> ModelId {
    let claim = bed.store.claim(owner(), &terms()).await.unwrap().unwrap();
    let model = new_model(claim.job.dataset);
    assert_eq!(bed.store.succeed(claim.lease, &metrics(mae), &model).await.unwrap(), WriteOutcome::Done);
    model.id
}

async fn children_are_claimed_but_their_parent_is_not(bed: Bed) {
    let parent = parent(&bed).await;
    let open = bed.store.open_composites().await.unwrap();
    assert_eq!(
        open.iter().map(|open| (open.id, open.children, open.begun, open.ended)).collect::<Vec<_>>(),
        [(parent.id, 2, 0, 0)]
    );
    assert!(!advance(&bed, &parent).await, "nothing has happened yet");
    let mut names = Vec::new();
    while let Some(claim) = bed.store.claim(owner(), &terms()).await.unwrap() {
        assert_eq!(claim.job.parent, Some(parent.id));
        names.push(claim.job.name);
    }
    assert_eq!(names, ["child 0", "child 1"]);
    assert!(advance(&bed, &parent).await && !advance(&bed, &parent).await);
    assert_eq!(status(&bed.store, &parent).await, JobStatus::Running);
    let of = JobFilter { parent: Some(parent.id), ..JobFilter::default() };
    assert_eq!(bed.store.jobs(of, all()).await.unwrap().items.len(), 2);
}

async fn a_parent_ends_once_with_its_childrens_results(bed: Bed) {
    let parent = parent(&bed).await;
    let (first, second) = (succeed(&bed, 2.0).await, succeed(&bed, 1.0).await);
    let other = bed.another().await;
    let (here, there) =
        tokio::join!(bed.store.advance(parent.id, composite_job::next), other.advance(parent.id, composite_job::next));
    assert!(here.unwrap().acted || there.unwrap().acted);
    assert!(!advance(&bed, &parent).await);
    let ended = bed.store.job(parent.id).await.unwrap().unwrap();
    assert_eq!((ended.status, ended.model, ended.progress), (JobStatus::Succeeded, Some(second), 1.0));
    assert!(ended.result.is_some());
    assert_eq!(bed.events(&parent).await, ["queued", "running", "succeeded"]);
    let best: AliasName = "best".parse().unwrap();
    assert_eq!(bed.store.alias(&best).await.unwrap().unwrap().model, second);
    assert!(bed.store.open_composites().await.unwrap().is_empty());

    // The chosen model may be deleted; the leaderboard keeps its row.
    assert!(bed.store.delete_model(second).await.unwrap());
    let after = bed.store.job(parent.id).await.unwrap().unwrap();
    assert!(after.model.is_none() && after.version > ended.version && after.result == ended.result);
    assert!(bed.store.alias(&best).await.unwrap().is_none());
    assert!(bed.store.model(first).await.unwrap().is_some());
}

async fn a_cancelled_parent_ends_after_its_children(bed: Bed) {
    let parent = parent(&bed).await;
    let claim = bed.store.claim(owner(), &terms()).await.unwrap().unwrap();
    assert!(matches!(bed.store.cancel_job(parent.id).await.unwrap(), Cancellation::Requested(_)));
    assert!(bed.store.claim(owner(), &terms()).await.unwrap().is_none(), "the queued child is cancelled");
    advance(&bed, &parent).await;
    assert!(!status(&bed.store, &parent).await.is_final(), "one child still runs");
    assert_eq!(bed.store.cancelled(claim.lease).await.unwrap(), WriteOutcome::Done);
    assert!(advance(&bed, &parent).await);
    assert_eq!(status(&bed.store, &parent).await, JobStatus::Cancelled);
    assert!(matches!(bed.store.cancel_job(parent.id).await.unwrap(), Cancellation::AlreadyEnded(_)));
}

async fn a_parent_and_its_children_are_deleted_together_after_their_end(bed: Bed) {
    let parent = parent(&bed).await;
    let model = succeed(&bed, 1.0).await;
    let of = JobFilter { parent: Some(parent.id), ..JobFilter::default() };
    let children = bed.store.jobs(of, all()).await.unwrap().items;
    let ended = children.iter().find(|child| child.status.is_final()).unwrap();
    assert_eq!(bed.store.delete_job(ended.id).await.unwrap(), JobDeletion::NeededBy(parent.id));
    assert!(matches!(bed.store.delete_job(parent.id).await.unwrap(), JobDeletion::NotEnded(_)));
    let _ = bed.store.cancel_job(parent.id).await.unwrap();
    advance(&bed, &parent).await;
    assert_eq!(bed.store.delete_job(parent.id).await.unwrap(), JobDeletion::Deleted);
    assert!(bed.store.jobs(JobFilter::default(), all()).await.unwrap().items.is_empty());
    assert!(bed.store.model(model).await.unwrap().is_some(), "models stay");
}

async fn concurrent_transitions_add_each_child_once(bed: Bed) {
    let parent = parent(&bed).await;
    // A transition that adds the third child if it does not exist.
    let third = |family: &CompositeJob| {
        let order = family.children[0].job.order.clone().unwrap();
        let spawn = vec![NewChildJob { slot: 2, name: "child 2".to_owned(), order }];
        if family.children.len() == 2 { Transition { spawn, ..Transition::default() } } else { Transition::default() }
    };
    let other = bed.another().await;
    for _ in 0..10 {
        let (here, there) = tokio::join!(bed.store.advance(parent.id, third), other.advance(parent.id, third));
        let _ = (here.unwrap(), there.unwrap());
    }
    let of = JobFilter { parent: Some(parent.id), ..JobFilter::default() };
    assert_eq!(bed.store.jobs(of, all()).await.unwrap().items.len(), 3);
    let cancelled = |_: &CompositeJob| Transition { end: Some(Outcome::Cancelled), ..Transition::default() };
    assert!(bed.store.advance(parent.id, cancelled).await.unwrap().acted);
    assert!(!bed.store.advance(parent.id, third).await.unwrap().acted, "an ended parent takes no step");
}

async fn an_alias_points_to_one_model_at_a_time(bed: Bed) {
    let dataset = bed.dataset().await;
    let one = bed.store.insert_model(new_model(dataset)).await.unwrap().id;
    let two = bed.store.insert_model(new_model(dataset)).await.unwrap().id;
    let name: AliasName = "best".parse().unwrap();
    assert_eq!(bed.store.put_alias(&name, ModelId::new()).await.unwrap(), None);
    assert_eq!(bed.store.put_alias(&name, one).await.unwrap().unwrap().model, one);
    assert_eq!(bed.store.put_alias(&name, two).await.unwrap().unwrap().model, two);
    assert_eq!(bed.store.resolve_model_ref(&ModelRef::Alias(name.clone())).await.unwrap(), Some(two));
    assert_eq!(bed.store.aliases(None, 10).await.unwrap().items.len(), 1);
    assert!(bed.store.delete_model(two).await.unwrap());
    assert_eq!(
        bed.store.resolve_model_ref(&ModelRef::Alias(name.clone())).await.unwrap(),
        None,
        "a model takes its names along"
    );
    assert!(!bed.store.delete_alias(&name).await.unwrap());
    assert!(bed.store.put_alias(&name, one).await.unwrap().is_some());
    assert!(bed.store.delete_alias(&name).await.unwrap());
}

async fn aliases_are_listed_in_pages(bed: Bed) {
    let dataset = bed.dataset().await;
    let model = bed.store.insert_model(new_model(dataset)).await.unwrap().id;
    for name in ["c", "a", "b"] {
        bed.store.put_alias(&name.parse().unwrap(), model).await.unwrap();
    }
    let names = |page: &AliasPage| page.items.iter().map(|alias| alias.name.to_string()).collect::<Vec<_>>();
    let page = bed.store.aliases(None, 2).await.unwrap();
    assert_eq!(names(&page), ["a", "b"]);
    let page = bed.store.aliases(page.next.as_ref(), 2).await.unwrap();
    assert_eq!((names(&page), page.next), (vec!["c".to_owned()], None));
}
