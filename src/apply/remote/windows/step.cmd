rem Begins a step unless it is claimed, or looks what became of it, and waits for its end.
:begin
call :arrive
if errorlevel 1 exit /b 0
call :hold
if errorlevel 2 goto refuse
if errorlevel 1 goto lost
if not exist "!UP_RUN!\made" goto forgotten
if exist "!UP_AT!.claim\" goto follow
set "UP_WHY=its files cannot be laid down"
>"!UP_AT!.boot" echo !UP_BOOT!
for %%f in (cmd run.cmd step.cmd env.cmd) do copy /y "!UP_A!\s.%%f" "!UP_AT!.%%f" <nul >nul
for %%f in (cmd run.cmd step.cmd env.cmd boot) do if not exist "!UP_AT!.%%f" goto refuse
if defined UP_FILES for %%f in (%UP_FILES%) do copy /y "!UP_A!\s.%%f" "!UP_AT!.%%f" <nul >nul
if defined UP_FILES for %%f in (%UP_FILES%) do if not exist "!UP_AT!.%%f" goto refuse
del /f /q "!UP_A!\s.env.cmd" <nul >nul
call :task "!UP_RUN!#!UP_CLAIM!" "!UP_AT!.cmd"
if errorlevel 1 goto refuse
set /a UP_WAITS=0
:claimed
if exist "!UP_AT!.claim\" goto follow
set /a UP_WAITS+=1
set "UP_WHY=its wrapper did not start: a scheduled task on the host does not run"
if !UP_WAITS! gtr 24 goto refuse
call :nap
if errorlevel 1 goto refuse
call :nudge !UP_WAITS! "!UP_RUN!#!UP_CLAIM!"
echo ~
goto claimed

:lookup
call :arrive
if errorlevel 1 exit /b 0
if not exist "!UP_RUN!\made" goto forgotten
rem Whose lock it is now does not matter to what was.
call :hold
if exist "!UP_AT!.claim\" goto follow
set "UP_WHY=it was not begun"
if "!UP_MAY_BEGIN!"=="yes" goto unbegun
goto refuse

rem To where all is. 1: the answer is given, as nothing can be asked.
:arrive
call :boot
if errorlevel 1 goto unsure
rem With the lock it was there. That it is missing now says nothing of the step.
call :enter find
if errorlevel 1 goto unsure
exit /b 0
:unsure
echo = unsure !UP_WHY!
exit /b 1
:forgotten
echo = forgotten
exit /b 1
:unbegun
echo = unbegun !UP_WHY!
exit /b 1
:lost
if not defined UP_ITS_RUN echo = lost 0 -
if defined UP_ITS_RUN echo = lost !UP_LEASE! !UP_ITS_RUN! !UP_ITS_OWNER!
exit /b 1

rem Sees to it that the step is not begun, unless it was: an empty claim is nobody's.
:refuse
if not exist "!UP_RUN!\made" goto forgotten
mkdir "!UP_AT!.claim" <nul >nul 2>nul
if errorlevel 1 goto follow
rem Not before: a wrapper that came after all has use for them.
del /f /q "!UP_AT!.env.cmd" <nul >nul 2>nul
>"!UP_AT!.claim\void" echo void
goto unbegun

rem The claim is there: waits for the end of the step as long as it may take.
:follow
del /f /q "!UP_A!\s.env.cmd" <nul >nul 2>nul
if not exist "!UP_AT!.claim\" set "UP_WHY=it cannot be made sure that the step is not begun: !UP_WHY!"
if not exist "!UP_AT!.claim\" goto unsure
set /a UP_WAITS=0
set /a UP_BEAT=0
set /a UP_LOOKS=0
:look
if exist "!UP_AT!.status" goto outcome
call :free "!UP_AT!.hold"
if defined UP_FREE goto stopped
set /a UP_LOOKS=0
if "!UP_ONLY_BEGIN!"=="yes" if exist "!UP_AT!.claim\who" goto running
if !UP_WAITS! geq !UP_LIMIT! goto running
call :nap
if errorlevel 1 goto running
set /a UP_WAITS+=1
set /a UP_BEAT+=1
if !UP_BEAT! geq !UP_PULSE! echo ~
if !UP_BEAT! geq !UP_PULSE! set /a UP_BEAT=0
goto look
:stopped
rem It may have ended between the two looks; and another look may have held the file for a moment.
if exist "!UP_AT!.status" goto outcome
set /a UP_LOOKS+=1
if !UP_LOOKS! leq 2 call :nap
if !UP_LOOKS! leq 2 goto look
if exist "!UP_AT!.claim\who" goto cut
set "UP_WHY=it was given up before it was begun"
goto unbegun
:cut
set "UP_ITS_BOOT="
for /f "usebackq" %%a in ("%UP_AT%.claim\who") do set "UP_ITS_BOOT=%%a"
set "UP_SAID=cut reboot"
if "!UP_ITS_BOOT!"=="!UP_BOOT!" set "UP_SAID=cut here"
goto tell
:running
set "UP_SAID=runs !UP_WAITS!"
goto tell
:outcome
set "UP_WORD="
for /f "usebackq tokens=1,2*" %%a in ("%UP_AT%.status") do call :ended "%%a" "%%b" "%%c"
if "!UP_WORD!"=="unbegun" set "UP_WHY=!UP_CODE! !UP_REST!"
if "!UP_WORD!"=="unbegun" goto unbegun
set "UP_WHY=what it recorded of its end is not whole"
if not "!UP_WORD!"=="ended" goto unsure
set "UP_SAID=ended !UP_CODE!"
rem What both streams had, all of it or nothing: cmd cannot send a part of a file, nor all of one that grows.
:tell
set "UP_GROWS="
if "%UP_SAID:~0,4%"=="runs" set "UP_GROWS=yes"
call :measure "!UP_AT!.out"
set "UP_OUT=!UP_SENT! !UP_TOTAL!"
set "UP_OUT_SENT=!UP_SENT!"
call :measure "!UP_AT!.err"
echo = !UP_SAID! !UP_OUT! !UP_SENT! !UP_TOTAL!
if not "!UP_OUT_SENT!"=="0" type "!UP_AT!.out"
if not "!UP_SENT!"=="0" type "!UP_AT!.err"
exit /b 0
:ended
set "UP_WORD=%~1"
set "UP_CODE=%~2"
set "UP_REST=%~3"
exit /b 0
:measure
set "UP_TOTAL=0"
for %%f in ("%~1") do if not "%%~zf"=="" set "UP_TOTAL=%%~zf"
set "UP_SENT=!UP_TOTAL!"
if not "%UP_TOTAL:~0,9%"=="%UP_TOTAL%" set "UP_SENT=0"
if defined UP_GROWS set "UP_SENT=0"
if "!UP_SENT!"=="0" exit /b 0
if !UP_TOTAL! gtr !UP_MOST! set "UP_SENT=0"
exit /b 0
