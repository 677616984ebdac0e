rem Gives the lock back and takes away everything of this run; or renews the lease.
:renew
call :boot
if errorlevel 1 goto unrenewed
call :enter find
if errorlevel 2 goto gone
if errorlevel 1 goto unrenewed
call :hold
if errorlevel 2 goto unrenewed
if errorlevel 1 goto other
echo = renewed
exit /b 0
:gone
set "UP_ITS_RUN="
set "UP_ITS_OWNER="
:other
if not defined UP_ITS_RUN echo = lost 0 -
if defined UP_ITS_RUN echo = lost !UP_LEASE! !UP_ITS_RUN! !UP_ITS_OWNER!
exit /b 0
:unrenewed
echo = refused !UP_WHY!
exit /b 0

:release
call :enter find
if errorlevel 2 goto released
if errorlevel 1 goto left
call :living "!UP_RUN!"
if defined UP_LIVING set "UP_WHY=step `!UP_LIVING!` still runs"
if defined UP_LIVING goto left
rem For its own keeper only, also where it cannot be read whose the lock is.
if exist "!UP_RUN!\" >"!UP_RUN!\stop" echo stop
call :holder
if not "!UP_ITS_RUN!"=="!UP_RUN!" goto away
set /a UP_WAITS=0
:ending
call :free hold
if defined UP_FREE goto ended
set /a UP_WAITS+=1
set "UP_WHY=the keeper of the lock does not end"
if !UP_WAITS! gtr 15 goto left
call :nap
if errorlevel 1 goto left
goto ending
:ended
del /f /q hold <nul >nul
if not exist hold del /f /q holder holder.new <nul >nul 2>nul
:away
call :untask "!UP_RUN!"
call :tasks
if defined UP_TASK call :nap
if defined UP_TASK call :untask "!UP_RUN!"
if defined UP_TASK call :tasks
set "UP_WHY=its scheduled task `!UP_TASK!` cannot be deleted"
if defined UP_TASK goto left
rd /s /q "!UP_RUN!" <nul >nul 2>nul
if exist "!UP_RUN!\" call :nap
if exist "!UP_RUN!\" rd /s /q "!UP_RUN!" <nul >nul
set "UP_WHY=`!UP_S!\!UP_RUN!` cannot be removed"
if exist "!UP_RUN!\" goto left
cd /d "!UP_A!"
set /a UP_WAITS=0
:empty
rd "!UP_S!" <nul >nul 2>nul
if not exist "!UP_S!" goto released
rem What another run has there is its own.
set "UP_WHY="
set "UP_OTHER="
for /f "delims=" %%n in ('dir /b /a "!UP_S!" ^<nul 2^>nul') do call :whose "%%n"
rem A run that is just beginning makes its folder before it says so.
if defined UP_WHY if !UP_WAITS! gtr 0 goto left
if defined UP_OTHER goto released
rem A keeper that has just ended leaves the folder in a moment; what it had open is nobody's then.
call :free "!UP_S!\hold"
if defined UP_FREE del /f /q "!UP_S!\hold" <nul >nul 2>nul
if not exist "!UP_S!\hold" del /f /q "!UP_S!\holder" "!UP_S!\holder.new" <nul >nul 2>nul
set /a UP_WAITS+=1
set "UP_WHY=`!UP_S!` is still in use"
if !UP_WAITS! gtr 12 goto left
call :nap
goto empty
rem A task of this run that is still there: UP_TASK.
:tasks
set "UP_TASK="
for /f "tokens=1 delims=," %%t in ('schtasks /query /fo csv /nh ^<nul 2^>nul') do call :task2 %%t
exit /b 0
:task2
for /f "tokens=1-3 delims=\#" %%a in ("%~1") do if "%%a#%%b"=="uproot#!UP_RUN!" set "UP_TASK=%~1"
exit /b 0
:whose
if "%~1"=="hold" exit /b 0
if "%~1"=="holder" exit /b 0
if "%~1"=="holder.new" exit /b 0
if exist "!UP_S!\%~1\made" set "UP_OTHER=yes"
if not exist "!UP_S!\%~1\made" set "UP_WHY=`!UP_S!\%~1` is not of uproot, so it stays"
exit /b 0
:left
echo = left !UP_WHY!
exit /b 0
:released
call :litters
echo = released
exit /b 0
