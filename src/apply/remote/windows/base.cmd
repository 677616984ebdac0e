@echo off
rem What every exchange runs in its own new folder: begins at :main with what the renderer set. The open
rem `live` says to others that this exchange is still at work; standard error goes into it.
if not "%~1"=="go" exit /b 1
call :main 2>>live
del /f /q "%~dp0s.env.cmd" <nul >nul 2>nul
exit /b 0

rem Which boot it is, by the time in the kernel's event 12: UP_BOOT. Not of local time or language. Asked once more
rem where nothing is told, as all that a lock or a step hangs on: one program that could not be started is no reason
rem to lose it.
:boot
call :booted
if not errorlevel 1 exit /b 0
call :nap
:booted
set "UP_BOOT="
set "UP_XML="
for /f "delims=" %%l in ('wevtutil qe System "/q:*[System[Provider[@Name='Microsoft-Windows-Kernel-General'] and (EventID=12)]]" /c:1 /rd:true /f:xml ^<nul 2^>nul') do if not defined UP_XML set "UP_XML=%%l"
if not defined UP_XML goto noboot
set "UP_TIME=%UP_XML:*StartTime=%"
for /f "tokens=1 delims='<> " %%a in ("%UP_TIME%") do set "UP_BOOT=%%a"
if not defined UP_BOOT goto noboot
if "%UP_BOOT:~4,1%%UP_BOOT:~7,1%%UP_BOOT:~10,1%"=="--T" exit /b 0
:noboot
set "UP_BOOT="
set "UP_WHY=it cannot be told which boot of the host it is"
exit /b 1

rem The private folder is from here on the current one. 1: refused, UP_WHY; 2: there is none.
:enter
set "UP_S=!ProgramData!\uproot"
set "UP_A=!UP_S!.!UP_NONCE!"
if exist "!UP_S!" goto verify
set "UP_WHY=`!UP_S!` is missing"
if not "%~1"=="make" exit /b 2
mkdir "!UP_S!.!UP_NONCE!.new" <nul >nul
call :secure "!UP_S!.!UP_NONCE!.new"
rem Never there unless it is private: it gets its name last, and only if nobody has that.
if not errorlevel 1 ren "!UP_S!.!UP_NONCE!.new" uproot <nul >nul
rd "!UP_S!.!UP_NONCE!.new" <nul >nul 2>nul
:verify
rem Compared with this exchange's own folder, which nobody else can have made: no name has to be read.
cd /d "!UP_A!"
call :list
set "UP_OURS=!UP_LIST!"
set "UP_WHY=icacls does not show who may use a folder"
if not defined UP_OURS exit /b 1
if "%UP_OURS:(OI)(CI)(F)=%"=="%UP_OURS%" exit /b 1
if not "%UP_OURS:(I)=%"=="%UP_OURS%" exit /b 1
set "UP_WHY=`!UP_S!` is not a folder that can be entered"
cd /d "!UP_S!" <nul >nul
if /i not "!cd!"=="!UP_S!" exit /b 1
call :list
set "UP_WHY=`!UP_S!` is open to others"
if not "!UP_LIST!"=="!UP_OURS!" cd /d "!UP_A!"
if not "!UP_LIST!"=="!UP_OURS!" exit /b 1
set "UP_OWNER_OURS="
set "UP_SAME="
for /f "tokens=1* delims=<" %%a in ('dir /q /ad "!UP_A!*" ^<nul 2^>nul') do if not "%%b"=="" set "UP_OWNER_OURS=%%b"
for /f "tokens=1* delims=<" %%a in ('dir /q /ad "!UP_S!*" ^<nul 2^>nul') do if "%%b.!UP_NONCE!"=="!UP_OWNER_OURS!" set "UP_SAME=yes"
set "UP_WHY=`!UP_S!` belongs to another user, or is a link"
if not defined UP_SAME cd /d "!UP_A!"
if not defined UP_SAME exit /b 1
set "UP_WHY="
exit /b 0

rem Who may use the current folder, as icacls lists it, asked twice at most.
:list
call :listed
if defined UP_LIST exit /b 0
call :nap
call :listed
exit /b 0
:listed
set "UP_LIST="
for /f "delims=" %%l in ('icacls . ^<nul 2^>nul') do set "UP_LIST=!UP_LIST!%%l;"
exit /b 0

rem Only the system and administrators may use folder 1. 1: it could not be made so, in two tries. Codes are compared as
rem text here and below: a program that could not be loaded ends with a negative one.
:secure
call :secured "%~1"
if not errorlevel 1 exit /b 0
call :nap
:secured
icacls "%~1" /setowner *S-1-5-32-544 <nul >nul
if not "!errorlevel!"=="0" exit /b 1
icacls "%~1" /inheritance:r /grant:r "*S-1-5-18:(OI)(CI)F" "*S-1-5-32-544:(OI)(CI)F" <nul >nul
if not "!errorlevel!"=="0" exit /b 1
exit /b 0

rem Whether nobody holds file 1 open: UP_FREE. The kernel closes it with the process, whatever ends that.
:free
set "UP_FREE=yes"
if not exist "%~1" exit /b 0
set "UP_FREE="
>>"%~1" set "UP_FREE=yes"
exit /b 0

rem Whose lock it is, or was last.
:holder
set "UP_ITS_RUN="
set "UP_ITS_BOOT="
set "UP_ITS_OWNER="
if not exist holder exit /b 0
for /f "usebackq tokens=1,2*" %%a in ("holder") do call :its "%%a" "%%b" "%%c"
exit /b 0
:its
set "UP_ITS_RUN=%~1"
set "UP_ITS_BOOT=%~2"
set "UP_ITS_OWNER=%~3"
exit /b 0

rem Makes this run's lease last anew. 1: it is another's, as read, or nobody's; 2: UP_WHY.
:hold
call :holder
call :free hold
if defined UP_FREE goto rehold
if not "!UP_ITS_RUN!"=="!UP_RUN!" exit /b 1
>"!UP_RUN!\renew" echo renew
exit /b 0
:rehold
if exist "!UP_RUN!\made" if "!UP_ITS_RUN!"=="!UP_RUN!" goto keeper
set "UP_ITS_RUN="
set "UP_ITS_OWNER="
exit /b 1

rem Starts the keeper of this run's lock. 0: it is ours; 1: another had it first, as read; 2: UP_WHY.
:keeper
rem Each task has a file of its own: another exchange of this run may be waiting for its keeper yet.
copy /y "!UP_A!\k.cmd" "!UP_RUN!\k.!UP_NONCE!.cmd" <nul >nul
del /f /q "!UP_RUN!\stop" "!UP_RUN!\yield" "!UP_RUN!\renew" <nul >nul 2>nul
>"!UP_RUN!\boot" echo !UP_BOOT!
call :task "!UP_RUN!#!UP_NONCE!" "!UP_RUN!\k.!UP_NONCE!.cmd"
if errorlevel 1 exit /b 2
set /a UP_WAITS=0
:await
if exist "!UP_RUN!\up.!UP_NONCE!" goto up
set /a UP_WAITS+=1
set "UP_WHY=the keeper of the lock did not start: a scheduled task on the host does not run"
if !UP_WAITS! gtr 24 exit /b 2
call :nap
if errorlevel 1 goto nonap
call :nudge !UP_WAITS! "!UP_RUN!#!UP_NONCE!"
echo ~
goto await
:nonap
set "UP_WHY=`ping`, by which a second is waited for, does not run on the host"
exit /b 2
:up
set "UP_SAID="
for /f "usebackq" %%a in ("%UP_RUN%\up.%UP_NONCE%") do set "UP_SAID=%%a"
del /f /q "!UP_RUN!\up.!UP_NONCE!" <nul >nul
call :holder
if "!UP_SAID!"=="yes" exit /b 0
exit /b 1

rem Starts a task of name uproot#1 that runs batch file 2 of the private folder: when it is told to, once, as
rem the system, also on batteries, as long as it lasts. No word of it depends on a language, and it holds no secret.
rem What became of it is seen by what it does.
:task
set "UP_WHY=`!UP_S!` has a character that no scheduled task can be given"
if not "%UP_S:&=%"=="%UP_S%" exit /b 1
>"%~2.xml" echo ^<?xml version="1.0"?^>
>>"%~2.xml" echo ^<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task"^>
>>"%~2.xml" echo ^<Principals^>^<Principal id="Author"^>^<UserId^>S-1-5-18^</UserId^>^<RunLevel^>HighestAvailable^</RunLevel^>^</Principal^>^</Principals^>
>>"%~2.xml" echo ^<Settings^>^<MultipleInstancesPolicy^>IgnoreNew^</MultipleInstancesPolicy^>^<DisallowStartIfOnBatteries^>false^</DisallowStartIfOnBatteries^>^<StopIfGoingOnBatteries^>false^</StopIfGoingOnBatteries^>^<ExecutionTimeLimit^>PT0S^</ExecutionTimeLimit^>^</Settings^>
>>"%~2.xml" echo ^<Actions Context="Author"^>^<Exec^>^<Command^>cmd.exe^</Command^>^<Arguments^>/d /q /v:on /c ""!UP_S!\%~2" go"^</Arguments^>^</Exec^>^</Actions^>
>>"%~2.xml" echo ^</Task^>
set "UP_WHY=no scheduled task can be made on the host"
schtasks /create /tn "uproot#%~1" /xml "%~2.xml" /f <nul >nul
if "!errorlevel!"=="0" goto runtask
call :nap
schtasks /create /tn "uproot#%~1" /xml "%~2.xml" /f <nul >nul
if not "!errorlevel!"=="0" exit /b 1
:runtask
set "UP_WHY=no scheduled task can be started on the host"
schtasks /run /tn "uproot#%~1" <nul >nul
if "!errorlevel!"=="0" exit /b 0
call :nap
schtasks /run /tn "uproot#%~1" <nul >nul
if not "!errorlevel!"=="0" exit /b 1
exit /b 0

rem Starts task uproot#2 once more, after 8 and 16 naps in which nothing was seen of it. One that runs is not started
rem twice, and of two that did, the second finds the lock held or the step claimed.
:nudge
for %%n in (8 16) do if "%~1"=="%%n" schtasks /run /tn "uproot#%~2" <nul >nul 2>nul
exit /b 0

rem About a second. 1: there is no clock on this host.
:nap
ping -n 2 127.0.0.1 <nul >nul
if errorlevel 1 exit /b 1
exit /b 0

rem Which step of run 1 still runs: UP_LIVING.
:living
set "UP_LIVING="
for /f "delims=" %%n in ('dir /b /ad "%~1\*.claim" ^<nul 2^>nul') do call :alive "%~1\%%~nn" "%%~nn"
exit /b 0
:alive
if exist "%~1.status" exit /b 0
call :free "%~1.hold"
if not defined UP_FREE set "UP_LIVING=%~2"
exit /b 0

rem Takes away tasks of run 1, and of runs that are not there any more. In the list the name stands first;
rem no word of it is read.
:untask
for /f "tokens=1 delims=," %%t in ('schtasks /query /fo csv /nh ^<nul 2^>nul') do call :task1 "%~1" %%t
exit /b 0
:task1
for /f "tokens=1-3 delims=\#" %%a in ("%~2") do if "%%a"=="uproot" call :untask1 "%~1" "%%b" "%%c"
exit /b 0
:untask1
if "%~3"=="" exit /b 0
if exist "%~2\made" if not "%~2"=="%~1" exit /b 0
schtasks /delete /tn "uproot#%~2#%~3" /f <nul >nul
exit /b 0

rem What exchanges left that lost their connections, and have ended.
:litters
for /f "delims=" %%n in ('dir /b /ad "!UP_S!.*" ^<nul 2^>nul') do call :litter "!UP_S!\..\%%n"
exit /b 0
:litter
if not exist "%~1\x.cmd" exit /b 0
rem One that was cut before it ran has no `live`, and may have secrets. One that still comes in runs nothing then,
rem as its files are not whole any more.
call :free "%~1\live"
if defined UP_FREE rd /s /q "%~1" <nul >nul
exit /b 0
