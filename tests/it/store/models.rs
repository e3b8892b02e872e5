//! Models, and the references between models and jobs.

use gatecast_core::ids::ModelId;
use gatecast_core::metric_values::FinalMetrics;
use gatecast_core::model::ModelSummary;
use gatecast_store::queue::WriteOutcome;
use gatecast_store::{JobDeletion, Page, Paged};

use super::{Bed, new_model, on_both, owner, terms};

on_both!(
    a_model_is_read_back_unchanged,
    a_manifest_with_a_field_of_a_newer_program_is_read,
    a_job_shows_its_model_until_that_is_deleted,
    a_model_outlives_its_job,
);

async fn a_model_is_read_back_unchanged(bed: Bed) {
    let first = new_model(bed.dataset().await);
    let kept = bed.store.insert_model(first.clone()).await.unwrap();
    assert_eq!((kept.id, kept.job, kept.bytes), (first.id, None, first.bytes));
    assert_eq!((&kept.name, &kept.sha256, &kept.manifest), (&first.name, &first.sha256, &first.manifest));
    assert_eq!(bed.store.model(first.id).await.unwrap(), Some(kept.clone()));

    let second = bed.store.insert_model(new_model(bed.dataset().await)).await.unwrap();
    let ids = |page: &Paged<ModelSummary>| page.items.iter().map(|model| model.id).collect::<Vec<_>>();
    let page = bed.store.models(Page { limit: 1, after: None }).await.unwrap();
    assert_eq!((ids(&page), page.next), (vec![second.id], Some(second.id.uuid())));
    let page = bed.store.models(Page { limit: 1, after: page.next }).await.unwrap();
    assert_eq!((ids(&page), page.next), (vec![kept.id], None));
    assert_eq!(page.items[0].parameters, Some(12));

    assert!(bed.store.delete_model(first.id).await.unwrap());
    assert!(!bed.store.delete_model(first.id).await.unwrap());
    assert_eq!(bed.store.model(ModelId::new()).await.unwrap(), None);
}

async fn a_manifest_with_a_field_of_a_newer_program_is_read(bed: Bed) {
    let kept = bed.store.insert_model(new_model(bed.dataset().await)).await.unwrap();
    let added = r#"'"stride":1', '"stride":1,"added":{"later":[1]}'"#;
    bed.execute(format!("UPDATE models SET manifest = REPLACE(manifest, {added})")).await;
    assert_eq!(bed.store.model(kept.id).await.unwrap(), Some(kept));
}

async fn a_job_shows_its_model_until_that_is_deleted(bed: Bed) {
    let job = bed.job().await;
    let claim = bed.store.claim(owner(), &terms()).await.unwrap().unwrap();
    let model = new_model(job.dataset);
    let done = bed.store.succeed(claim.lease, &FinalMetrics::default(), &model).await.unwrap();
    assert_eq!(done, WriteOutcome::Done);
    let ended = bed.store.job(job.id).await.unwrap().unwrap();
    assert_eq!((ended.model, ended.progress), (Some(model.id), 1.0));
    assert_eq!(ended.metrics, Some(FinalMetrics::default()));
    assert_eq!(bed.store.model(model.id).await.unwrap().unwrap().job, Some(job.id));
    let events = bed.store.events(job.id, 2, 10).await.unwrap();
    assert_eq!(events[0].data["model"], model.id.to_string());

    assert!(bed.store.delete_model(model.id).await.unwrap());
    let after = bed.store.job(job.id).await.unwrap().unwrap();
    assert!(after.model.is_none() && after.version > ended.version, "its tag changes with what it shows");
}

async fn a_model_outlives_its_job(bed: Bed) {
    let job = bed.job().await;
    let claim = bed.store.claim(owner(), &terms()).await.unwrap().unwrap();
    let model = new_model(job.dataset);
    let _ = bed.store.succeed(claim.lease, &FinalMetrics::default(), &model).await.unwrap();
    assert_eq!(bed.store.delete_job(job.id).await.unwrap(), JobDeletion::Deleted);
    let kept = bed.store.model(model.id).await.unwrap().unwrap();
    assert_eq!((kept.job, kept.manifest), (None, model.manifest));
}
