pub(crate) async fn run(_context: &crate::context::Context<'_>) -> crate::context::Outcome {
    Ok(())
}
