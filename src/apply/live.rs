use super::reach::*; use super::Access; use crate::plan::*; use crate::model::*; use crate::facts::*; use std::time::Duration;
pub struct LiveHost;
impl LiveHost { pub fn new(_: &Access, _: &PlannedHost, _: &Plan, _: &Cancel) -> Self { Self } }
impl Reach for LiveHost {
 async fn connect(&mut self) -> Result<(), Unreached> { todo!() }
 async fn look(&mut self, _: &Questions) -> Result<Facts, Unreached> { todo!() }
 fn permit(&mut self, _: ChangeGrant) {}
 async fn lock(&mut self, _: &LockOrder) -> Result<LockAnswer, Unreached> { todo!() }
 async fn renew(&mut self) -> Result<Option<Holder>, Unreached> { todo!() }
 async fn begin(&mut self, _: &StepOrder<'_>) -> StepAnswer { todo!() }
 async fn lookup(&mut self, _: &StepOrder<'_>, _: bool) -> StepAnswer { todo!() }
 async fn release(&mut self) -> Result<Option<String>, Unreached> { todo!() }
 fn steady(&self) -> Duration { todo!() }
 async fn pause(&mut self, _: Duration) -> bool { todo!() }
 fn is_cancelled(&self) -> bool { todo!() }
}
