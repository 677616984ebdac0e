//! A driver that a class of devices, or a device, lists as a filter is needed for every start of these devices: it is
//! never deleted while it is listed. `UpperFilters` and `LowerFilters`:
//! <https://learn.microsoft.com/windows-hardware/drivers/kernel/filter-drivers>. Of the vendor's drivers these are
//! `klkbdflt`, `klmouflt`, `kldisk` and `klbackupdisk`; whichever is to go is looked for.

/// Ends the script with 1 where the service is listed as a filter, or where that cannot be told: every Windows
/// lists some.
pub(super) fn unlisted(name: &str) -> String {
    format!(
        r#"set "UP_LISTED="
set "UP_SEEN="
call :filters "HKLM\SYSTEM\CurrentControlSet\Control\Class" UpperFilters
call :filters "HKLM\SYSTEM\CurrentControlSet\Control\Class" LowerFilters
call :filters "HKLM\SYSTEM\CurrentControlSet\Enum" UpperFilters
call :filters "HKLM\SYSTEM\CurrentControlSet\Enum" LowerFilters
if not defined UP_SEEN echo uproot: {name} stays: it cannot be told whether a device needs it
if not defined UP_SEEN exit /b 1
if defined UP_LISTED echo uproot: {name} stays: the registry lists it in UpperFilters or LowerFilters of a device
if defined UP_LISTED exit /b 1
"#
    )
}

/// The subroutines that `unlisted` needs.
pub(super) fn subroutines(name: &str) -> String {
    format!(
        r#":filters
for /f "tokens=1,2*" %%a in ('reg query %1 /s /v %2 ^<nul 2^>nul') do if "%%b"=="REG_MULTI_SZ" call :listed "%%c"
exit /b 0
:listed
set "UP_SEEN=yes"
for /f "tokens=1* delims=\" %%x in ("%~1") do call :item "%%x" "%%y"
exit /b 0
:item
if /i "%~1"=="{name}" set "UP_LISTED=yes"
if /i "%~1"=="0{name}" set "UP_LISTED=yes"
if not "%~2"=="" call :listed "%~2"
exit /b 0
"#
    )
}
