rem Takes the lock, makes the run's folder, clears away what dead runs left.
:main
call :boot
if errorlevel 1 goto refused
call :enter make
if errorlevel 1 goto refused
set "UP_FROM="
set "UP_BROKEN=whole"
call :holder
call :free hold
if not defined UP_FREE goto taken
rem Its keeper may have been killed while a step of its run goes on.
set "UP_LIVING="
for /d %%d in (*) do if not "%%d"=="!UP_RUN!" if exist "%%d\made" if not defined UP_LIVING call :living "%%d"
if defined UP_LIVING goto held
if not defined UP_ITS_RUN goto take
if "!UP_ITS_RUN!"=="!UP_RUN!" goto take
set "UP_FROM=run !UP_ITS_RUN! of !UP_ITS_OWNER!: expired"
if not "!UP_ITS_BOOT!"=="!UP_BOOT!" set "UP_FROM=run !UP_ITS_RUN! of !UP_ITS_OWNER!: of another boot"
goto take
:taken
if "!UP_ITS_RUN!"=="!UP_RUN!" goto ours
if not "!UP_BREAK!"=="yes" goto held
rem Its keeper gives way unless a step of its run still runs.
>"!UP_ITS_RUN!\yield" echo yield
set /a UP_WAITS=0
:giving
call :nap
if errorlevel 1 goto held
call :free hold
if defined UP_FREE goto broken
set /a UP_WAITS+=1
if !UP_WAITS! lss 8 goto giving
del /f /q "!UP_ITS_RUN!\yield" <nul >nul
:held
if not defined UP_ITS_RUN set "UP_ITS_RUN=-"
echo = held !UP_LEASE! !UP_ITS_RUN! !UP_ITS_OWNER!
exit /b 0
:broken
set "UP_BROKEN=broken"
set "UP_FROM=run !UP_ITS_RUN! of !UP_ITS_OWNER!: broken"
:take
call :made
if not defined UP_RECORDS goto unmade
call :keeper
if errorlevel 2 goto unkept
if errorlevel 1 goto held
for /d %%d in (*) do call :clear "%%d"
call :litters
call :untask "-"
goto said
:ours
call :made
if not defined UP_RECORDS goto unmade
>"!UP_RUN!\renew" echo renew
:said
echo = taken !UP_RECORDS! !UP_BROKEN! !UP_FROM!
exit /b 0
rem A keeper that starts after all finds that it is not wanted. The run's folder goes only where this very exchange made
rem it and no other has begun to use it: what was begun by this run has its records there.
:unkept
>"!UP_RUN!\stop.!UP_NONCE!" echo stop
schtasks /delete /tn "uproot#!UP_RUN!#!UP_NONCE!" /f <nul >nul 2>nul
for %%k in ("!UP_RUN!\k.*.cmd") do if not "%%~nk"=="k.!UP_NONCE!" set "UP_NEW="
if not defined UP_NEW goto refused
rd /s /q "!UP_RUN!" <nul >nul 2>nul
cd /d "!UP_A!"
rd "!UP_S!" <nul >nul 2>nul
goto refused
:unmade
set "UP_WHY=`!UP_S!\!UP_RUN!` cannot be made"
:refused
echo = refused !UP_WHY!
exit /b 0

rem The run's folder: UP_RECORDS is its token. UP_NEW: it was made here.
:made
set "UP_RECORDS="
set "UP_NEW="
if not exist "!UP_RUN!\" set "UP_NEW=yes"
if not exist "!UP_RUN!\made" mkdir "!UP_RUN!" <nul >nul
if not exist "!UP_RUN!\made" >"!UP_RUN!\made" echo !UP_TOKEN!
for /f "usebackq" %%a in ("%UP_RUN%\made") do set "UP_RECORDS=%%a"
exit /b 0

rem What a dead run left; whatever is not known as such stays.
:clear
if "%~1"=="!UP_RUN!" exit /b 0
if not exist "%~1\made" exit /b 0
call :living "%~1"
if not defined UP_LIVING rd /s /q "%~1" <nul >nul
exit /b 0
