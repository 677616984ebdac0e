@echo off
rem Runs one step, apart from the connection that began it: holds a file open as long as it lives, claims the
rem step by a new folder, keeps its output, records how it ended last of all.
if not "%~1"=="go" exit /b 1
set "UP_D=%~dp0"
cd /d "!UP_D!"
set "UP_GOT="
set /a UP_TRIES=0
:again
>>"!UP_CLAIM!.hold" call :work
if defined UP_GOT goto over
rem A look at it may have held it for a moment.
set /a UP_TRIES+=1
if !UP_TRIES! geq 4 goto over
ping -n 2 127.0.0.1 <nul >nul
goto again
:over
schtasks /delete /tn "uproot#!UP_RUN!#!UP_CLAIM!" /f <nul >nul
exit /b 0

:work
set "UP_GOT=yes"
if not exist made exit /b 0
mkdir "!UP_CLAIM!.claim" <nul >nul 2>nul
if errorlevel 1 exit /b 0
copy /y "!UP_CLAIM!.boot" "!UP_CLAIM!.claim\who" <nul >nul
set "UP_END=unbegun its claim cannot be written"
if not exist "!UP_CLAIM!.claim\who" goto record
rem Only while the lock is the run's.
set "UP_FREE="
>>"..\hold" set "UP_FREE=yes"
set "UP_ITS_RUN="
for /f "usebackq" %%a in ("..\holder") do set "UP_ITS_RUN=%%a"
set "UP_END=unbegun the host's lock was lost to run !UP_ITS_RUN!"
if defined UP_FREE goto record
if not "!UP_ITS_RUN!"=="!UP_RUN!" goto record
rem Not in the run's folder, which what the step leaves running would keep in use.
cd /d "!SystemRoot!\System32"
cmd.exe /d /q /v:off /c ""!UP_D!!UP_CLAIM!.run.cmd"" <nul >"!UP_D!!UP_CLAIM!.out" 2>"!UP_D!!UP_CLAIM!.err"
set "UP_END=ended !errorlevel!"
cd /d "!UP_D!"
rem A code alone does not say that any of it was run.
if exist "!UP_CLAIM!.ran" goto record
set "UP_END=unbegun what it needs cannot be laid down on the disk"
if exist "!UP_CLAIM!.refused" for /f "usebackq delims=" %%r in ("%UP_CLAIM%.refused") do set "UP_END=unbegun %%r"
:record
del /f /q "!UP_CLAIM!.env.cmd" <nul >nul 2>nul
set /a UP_TRIES=0
:write
>"!UP_CLAIM!.temp" echo !UP_END!
move /y "!UP_CLAIM!.temp" "!UP_CLAIM!.status" <nul >nul
if exist "!UP_CLAIM!.status" exit /b 0
set /a UP_TRIES+=1
if !UP_TRIES! geq 150 exit /b 0
ping -n 3 127.0.0.1 <nul >nul
if exist made goto write
exit /b 0
