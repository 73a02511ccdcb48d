@echo off
rem Finds the compiler of Visual Studio, builds the runner with it once, and hands the runner one batch.
rem   driver.cmd TOOLS BATCH MAJOR
rem TOOLS: the folder of this file; BATCH: the folder of batch.txt; MAJOR: of Visual Studio, such as 17, or any.
rem Exit code 3: this host is not set up, stderr says why. Nothing here may read stdin: the runner listens there.
setlocal EnableExtensions DisableDelayedExpansion
set "TOOLS=%~f1"
set "BATCH=%~f2"
set "MAJOR=%~3"
rem The compiler speaks English, and UTF-8 where it can.
set "VSLANG=1033"
set "VSCMD_SKIP_SENDTELEMETRY=1"
chcp 65001 >nul 2>nul <nul

rem vcvars64 takes seconds, so what it sets is kept. A compiler that has gone since is looked for again.
set "SAVED=%TOOLS%\environment-%MAJOR%.cmd"
if not exist "%SAVED%" goto find
call "%SAVED%" <nul
for %%c in (cl.exe) do if not "%%~$PATH:c"=="" goto build
del "%SAVED%"

:find
set "WHERE=%ProgramFiles(x86)%\Microsoft Visual Studio\Installer\vswhere.exe"
if exist "%WHERE%" goto ask
echo Visual Studio is not installed: no "%WHERE%"; install the Build Tools with the C++ workload 1>&2
exit /b 3
:ask
set "RANGE=[15.0,)"
if "%MAJOR%"=="any" goto look
set /a NEXT=%MAJOR%+1
set "RANGE=[%MAJOR%.0,%NEXT%.0)"
:look
set "STUDIO="
set "FOUND=%BATCH%\studio.txt"
"%WHERE%" -latest -products * -version "%RANGE%" -requires Microsoft.VisualStudio.Component.VC.Tools.x86.x64 -property installationPath >"%FOUND%" <nul
for /f "usebackq delims=" %%i in ("%FOUND%") do set "STUDIO=%%i"
del "%FOUND%"
if defined STUDIO goto enter
echo no Visual Studio %RANGE% with C++ compilers; install the workload Desktop development with C++ 1>&2
exit /b 3
:enter
set "VCVARS=%STUDIO%\VC\Auxiliary\Build\vcvars64.bat"
if exist "%VCVARS%" goto enter64
echo no "%VCVARS%"; repair the installation of Visual Studio 1>&2
exit /b 3
:enter64
call "%VCVARS%" >nul <nul
for %%c in (cl.exe) do if not "%%~$PATH:c"=="" goto save
echo "%VCVARS%" did not bring cl.exe into PATH; repair the installation of Visual Studio 1>&2
exit /b 3
:save
set "NEW=%TOOLS%\environment-%RANDOM%%RANDOM%.tmp"
>"%NEW%" echo set "PATH=%PATH%"
>>"%NEW%" echo set "INCLUDE=%INCLUDE%"
>>"%NEW%" echo set "LIB=%LIB%"
>>"%NEW%" echo set "LIBPATH=%LIBPATH%"
move /y "%NEW%" "%SAVED%" >nul <nul

:build
if exist "%TOOLS%\runner.exe" goto run
set "NEW=%TOOLS%\runner-%RANDOM%%RANDOM%"
cl.exe /nologo /std:c++17 /EHsc /O1 /W4 "%TOOLS%\runner.cpp" "/Fo%NEW%.obj" "/Fe%NEW%.exe" advapi32.lib shell32.lib >"%NEW%.txt" 2>&1 <nul
if errorlevel 1 goto broken
if not exist "%TOOLS%\runner.exe" move "%NEW%.exe" "%TOOLS%\runner.exe" >nul <nul
del "%NEW%.*" >nul 2>nul
:run
"%TOOLS%\runner.exe" "%BATCH%"
exit /b %ERRORLEVEL%

:broken
type "%NEW%.txt" 1>&2
del "%NEW%.*" >nul 2>nul
echo the compiler found cannot compile runner.cpp 1>&2
exit /b 3
