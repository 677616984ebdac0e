//! `stop_service` and `delete_service`, of services and drivers.
//!
//! `sc` ends with the number of the system's error, and prints the state as a number before a word:
//! <https://learn.microsoft.com/windows/win32/api/winsvc/ns-winsvc-service_status>,
//! <https://learn.microsoft.com/windows/win32/debug/system-error-codes--1000-1299->. What a product with self-defence
//! refuses is never forced.

use super::{REBOOT_NEEDED, batch_of, filters};
use crate::facts::Service;
use crate::plan::render::{Context, Rendered, bounded, cannot_tell};

/// What the script says of a service that does not let itself be stopped.
pub(super) fn refuses_to_stop(name: &str) -> String {
    format!("uproot: service {name} refuses to stop")
}

/// What the script says of a service that does not let itself be deleted.
pub(super) fn refuses_deletion(name: &str) -> String {
    format!("uproot: service {name} refuses to be deleted")
}

/// The service of this name; none: the host has none.
fn known<'f>(name: &str, context: &Context<'f>) -> Result<Option<&'f Service>, String> {
    let is_name = !name.is_empty()
        && name.len() <= 256
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-@$".contains(&byte));
    if !is_name {
        return Err(format!("`{}` cannot be the name of a service of Windows", bounded(name)));
    }
    let services = &context.facts.services;
    let found = services.items.iter().find(|service| service.name.eq_ignore_ascii_case(name));
    match found {
        Some(service) => Ok(Some(service)),
        None => {
            let what = format!("whether there is a service `{name}`");
            cannot_tell(&what, services).map_or(Ok(None), Err)
        }
    }
}

pub(super) fn stop(name: &str, context: &Context<'_>) -> Result<Option<Rendered>, String> {
    let Some(service) = known(name, context)? else { return Ok(None) };
    if service.kind == "driver" {
        return Err(format!("`{name}` is a driver: `delete_service` takes it away, nothing else stops it"));
    }
    let script = batch_of(&[
        "call :stop\nexit /b !errorlevel!\n",
        &stopping(name, context.timeout, &refuse(name)),
        &state(name),
    ]);
    Ok(Some(Rendered { commands: vec![format!("sc stop {name}")], script }))
}

pub(super) fn delete(name: &str, context: &Context<'_>) -> Result<Option<Rendered>, String> {
    let Some(service) = known(name, context)? else { return Ok(None) };
    // One whose type the host did not tell may be a driver.
    let may_be_driver = service.kind != "service";
    // Most drivers cannot be unloaded: such a one is gone with the next start.
    let unstoppable = if may_be_driver {
        format!("if \"!UP_CODE!\"==\"1052\" exit /b 0\n{}", refuse(name))
    } else {
        refuse(name)
    };
    let refusal = refuses_deletion(name);
    let main = format!(
        r#"call :stop
if not "!errorlevel!"=="0" exit /b !errorlevel!
sc delete "{name}" <nul
set "UP_CODE=!errorlevel!"
if "!UP_CODE!"=="1060" exit /b 0
if "!UP_CODE!"=="1072" exit /b {REBOOT_NEEDED}
if "!UP_CODE!"=="5" echo {refusal}
if not "!UP_CODE!"=="0" exit /b !UP_CODE!
set /a UP_TRIES=0
:gone
sc query "{name}" <nul >nul 2>nul
if "!errorlevel!"=="1060" exit /b 0
set /a UP_TRIES+=1
if !UP_TRIES! geq 5 exit /b {REBOOT_NEEDED}
ping -n 2 127.0.0.1 <nul >nul
goto gone
"#
    );
    let (check, more) = if may_be_driver {
        (filters::unlisted(name), filters::subroutines(name))
    } else {
        Default::default()
    };
    let stop = stopping(name, context.timeout, &unstoppable);
    let script = batch_of(&[&check, &main, &stop, &state(name), &more]);
    Ok(Some(Rendered { commands: vec![format!("sc stop {name}"), format!("sc delete {name}")], script }))
}

/// The lines that end a script whose service refuses.
fn refuse(name: &str) -> String {
    let refusal = refuses_to_stop(name);
    format!("echo {refusal}\nif \"!UP_CODE!\"==\"0\" set \"UP_CODE=1053\"\nexit /b !UP_CODE!\n")
}

/// The subroutine that stops it and waits until it no longer runs. `refused`: what is done where it does not let
/// itself be stopped, with the code of `sc stop`.
fn stopping(name: &str, timeout: u64, refused: &str) -> String {
    // Each round takes a second and what `sc` takes; the step's own limit is not to come first.
    let rounds = (timeout / 3).max(1);
    format!(
        r#":stop
set /a UP_ROUNDS=0
:order
sc stop "{name}" <nul
set "UP_CODE=!errorlevel!"
if "!UP_CODE!"=="1060" exit /b 0
if "!UP_CODE!"=="1062" exit /b 0
if "!UP_CODE!"=="5" goto refused
if "!UP_CODE!"=="1051" goto refused
if "!UP_CODE!"=="1052" goto refused
if "!UP_CODE!"=="1053" goto refused
if "!UP_CODE!"=="1061" goto await
if not "!UP_CODE!"=="0" exit /b !UP_CODE!
:await
sc query "{name}" <nul >nul 2>nul
if "!errorlevel!"=="1060" exit /b 0
call :state
if "!UP_STATE!"=="1" exit /b 0
set /a UP_ROUNDS+=1
if !UP_ROUNDS! geq {rounds} goto refused
ping -n 2 127.0.0.1 <nul >nul
if "!UP_CODE!"=="1061" goto order
goto await
:refused
{refused}"#
    )
}

/// The subroutine that reads its state into `UP_STATE`: the second of the lines that are indented, whatever they
/// are called in the host's language.
fn state(name: &str) -> String {
    format!(
        r#":state
set "UP_STATE="
set /a UP_FIELD=0
for /f "tokens=1,2 delims=:" %%a in ('sc query "{name}" ^<nul 2^>nul') do call :field "%%a" "%%b"
exit /b 0
:field
set "UP_BARE="
for /f "tokens=1" %%x in ("%~1") do set "UP_BARE=%%x"
if "!UP_BARE!"=="%~1" exit /b 0
set /a UP_FIELD+=1
if not "!UP_FIELD!"=="2" exit /b 0
for /f "tokens=1" %%x in ("%~2") do set "UP_STATE=%%x"
exit /b 0
"#
    )
}
