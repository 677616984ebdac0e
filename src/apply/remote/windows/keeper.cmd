@echo off
rem Keeps the lock of this run: the open file `hold` is the lock, which no two can have and which the kernel
rem gives back when this ends, however that is. Its lease is counted in seconds of its own, as cmd knows no
rem clock that cannot be set; a step that still runs keeps it.
if not "%~1"=="go" exit /b 1
cd /d "%~dp0.."
if not exist "!UP_RUN!\made" exit /b 1
set "UP_GOT="
set /a UP_TRIES=0
:again
>>hold call :hold
if defined UP_GOT goto over
rem A look at it may have held it for a moment.
set /a UP_TRIES+=1
if !UP_TRIES! geq 4 goto busy
ping -n 2 127.0.0.1 <nul >nul
goto again
:busy
rem Not over what another start of this very task has said.
if not exist "!UP_RUN!\up.!UP_NONCE!" call :say no
:over
schtasks /delete /tn "uproot#!UP_RUN!#!UP_NONCE!" /f <nul >nul
exit /b 0

:hold
set "UP_GOT=yes"
set "UP_BOOT=-"
for /f "usebackq" %%a in ("%UP_RUN%\boot") do set "UP_BOOT=%%a"
>holder.new echo !UP_RUN! !UP_BOOT! !UP_OWNER!
move /y holder.new holder <nul >nul
call :say yes
set /a UP_LEFT=UP_LEASE
:tick
if not exist "!UP_RUN!\made" goto leave
if exist "!UP_RUN!\stop" goto leave
if exist "!UP_RUN!\stop.!UP_NONCE!" goto leave
if exist "!UP_RUN!\yield" goto yield
if not exist "!UP_RUN!\renew" goto second
del /f /q "!UP_RUN!\renew" <nul >nul
set /a UP_LEFT=UP_LEASE
:second
ping -n 2 127.0.0.1 <nul >nul
if not errorlevel 1 goto counted
rem Without a clock the lease is over, unless a step still runs: removing a network filter may stop even this.
call :living
if not defined UP_LIVING goto leave
:counted
set /a UP_LEFT-=1
if !UP_LEFT! gtr 0 goto tick
call :living
if not defined UP_LIVING if not exist "!UP_RUN!\renew" goto leave
set /a UP_LEFT=10
goto tick
:yield
call :living
del /f /q "!UP_RUN!\yield" <nul >nul
if defined UP_LIVING goto second
:leave
cd /d "!SystemRoot!\System32"
exit /b 0

rem Whoever finds the answer reads all of it.
:say
>"!UP_RUN!\said.!UP_NONCE!" echo %~1
move /y "!UP_RUN!\said.!UP_NONCE!" "!UP_RUN!\up.!UP_NONCE!" <nul >nul
exit /b 0

:living
set "UP_LIVING="
for /f "delims=" %%n in ('dir /b /ad "!UP_RUN!\*.claim" ^<nul 2^>nul') do call :alive "!UP_RUN!\%%~nn"
exit /b 0
:alive
if exist "%~1.status" exit /b 0
if not exist "%~1.hold" exit /b 0
set "UP_FREE="
>>"%~1.hold" set "UP_FREE=yes"
if not defined UP_FREE set "UP_LIVING=yes"
exit /b 0
