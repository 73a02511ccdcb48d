// One process tree in a job object: started with fewer rights, watched, and ended with all that it started.
#pragma once
#include "batch.h"

static CRITICAL_SECTION starting; // for `live`
static std::vector<HANDLE> live;  // the job objects that run now
static bool restricted = true;
static const long long LOOK_MS = 250, PATIENCE = 10;

struct Pipe {
    HANDLE read = nullptr, write = nullptr, over = nullptr, thread = nullptr;
    size_t limit = 0;
    string data;
};

static DWORD WINAPI collect(void *argument) {
    Pipe *pipe = static_cast<Pipe *>(argument);
    char buffer[1 << 14];
    DWORD got = 0;
    while (ReadFile(pipe->read, buffer, sizeof buffer, &got, nullptr) && got) {
        size_t room = pipe->limit - pipe->data.size();
        pipe->data.append(buffer, got < room ? got : room);
        if (got > room) SetEvent(pipe->over);
    }
    return 0;
}

// The account's own token without privileges, without the rights of administrators, at low integrity.
static HANDLE restricted_token() {
    HANDLE own = nullptr, token = nullptr;
    alignas(8) BYTE administrators[SECURITY_MAX_SID_SIZE], low[SECURITY_MAX_SID_SIZE];
    DWORD size = sizeof administrators;
    if (!CreateWellKnownSid(WinBuiltinAdministratorsSid, nullptr, administrators, &size))
        throw trouble("CreateWellKnownSid");
    size = sizeof low;
    if (!CreateWellKnownSid(WinLowLabelSid, nullptr, low, &size)) throw trouble("CreateWellKnownSid");
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_ALL_ACCESS, &own)) throw trouble("OpenProcessToken");
    SID_AND_ATTRIBUTES disabled = {administrators, 0};
    BOOL made = CreateRestrictedToken(own, DISABLE_MAX_PRIVILEGE, 1, &disabled, 0, nullptr, 0, nullptr, &token);
    CloseHandle(own);
    if (!made) throw trouble("CreateRestrictedToken");
    TOKEN_MANDATORY_LABEL label = {{low, SE_GROUP_INTEGRITY}};
    if (!SetTokenInformation(token, TokenIntegrityLevel, &label, DWORD(sizeof label + GetLengthSid(low))))
        throw trouble("SetTokenInformation");
    return token;
}

// For a program, next to nothing; for the compiler, ours. Temporary files go into the program's own folder.
static wstring environment(bool program, const wstring &folder) {
    wstring result;
    wchar_t *own = GetEnvironmentStringsW();
    for (const wchar_t *entry = own; *entry; entry += wcslen(entry) + 1) {
        wstring name = wstring(entry).substr(0, wstring(entry).find(L'=', 1));
        for (wchar_t &letter : name) letter = wchar_t(towupper(letter));
        bool kept = program ? name == L"SYSTEMROOT" || name == L"SYSTEMDRIVE" || name == L"WINDIR"
                            : name != L"TMP" && name != L"TEMP";
        if (kept) result += wstring(entry) + L'\0';
    }
    FreeEnvironmentStringsW(own);
    wchar_t windows[MAX_PATH] = L"";
    GetSystemDirectoryW(windows, MAX_PATH);
    if (program) result += wstring(L"PATH=") + windows + L'\0';
    return result + L"TEMP=" + folder + L'\0' + L"TMP=" + folder + L'\0' + L'\0';
}

static HANDLE job_object(const Limits &limits, HANDLE messages) {
    HANDLE job = CreateJobObjectW(nullptr, nullptr);
    if (!job) throw trouble("CreateJobObject");
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION extended = {};
    // No breakaway flag: what the program starts stays inside.
    extended.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_JOB_MEMORY |
                                                JOB_OBJECT_LIMIT_ACTIVE_PROCESS |
                                                JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION;
    extended.BasicLimitInformation.ActiveProcessLimit = limits.processes;
    extended.JobMemoryLimit = SIZE_T(limits.memory);
    JOBOBJECT_BASIC_UI_RESTRICTIONS desktop = {};
    desktop.UIRestrictionsClass = JOB_OBJECT_UILIMIT_DESKTOP | JOB_OBJECT_UILIMIT_DISPLAYSETTINGS |
                                  JOB_OBJECT_UILIMIT_EXITWINDOWS | JOB_OBJECT_UILIMIT_GLOBALATOMS |
                                  JOB_OBJECT_UILIMIT_HANDLES | JOB_OBJECT_UILIMIT_READCLIPBOARD |
                                  JOB_OBJECT_UILIMIT_SYSTEMPARAMETERS | JOB_OBJECT_UILIMIT_WRITECLIPBOARD;
    JOBOBJECT_ASSOCIATE_COMPLETION_PORT port = {job, messages};
    if (!SetInformationJobObject(job, JobObjectExtendedLimitInformation, &extended, sizeof extended) ||
        !SetInformationJobObject(job, JobObjectBasicUIRestrictions, &desktop, sizeof desktop) ||
        !SetInformationJobObject(job, JobObjectAssociateCompletionPortInformation, &port, sizeof port))
        throw trouble("SetInformationJobObject");
    return job;
}

static long long cpu_ms(HANDLE job, DWORD *active) {
    JOBOBJECT_BASIC_ACCOUNTING_INFORMATION used = {};
    QueryInformationJobObject(job, JobObjectBasicAccountingInformation, &used, sizeof used, nullptr);
    *active = used.ActiveProcesses;
    return (used.TotalUserTime.QuadPart + used.TotalKernelTime.QuadPart) / 10000;
}

// Start suspended, put into the job, then let go: it never runs a single instruction outside.
static PROCESS_INFORMATION start(HANDLE job, const wstring &program, wstring command, const wstring &folder, HANDLE in,
                                 HANDLE out, HANDLE err) {
    HANDLE inherited[] = {in, out, err};
    std::vector<BYTE> space(256);
    SIZE_T size = space.size();
    STARTUPINFOEXW startup = {};
    startup.StartupInfo.cb = sizeof startup;
    startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    startup.StartupInfo.hStdInput = in;
    startup.StartupInfo.hStdOutput = out;
    startup.StartupInfo.hStdError = err;
    startup.lpAttributeList = reinterpret_cast<LPPROC_THREAD_ATTRIBUTE_LIST>(space.data());
    if (!InitializeProcThreadAttributeList(startup.lpAttributeList, 1, 0, &size) ||
        !UpdateProcThreadAttribute(startup.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, inherited,
                                   sizeof inherited, nullptr, nullptr))
        throw trouble("UpdateProcThreadAttribute");
    bool guest = !program.empty();
    wstring variables = environment(guest, folder);
    DWORD flags =
        CREATE_SUSPENDED | EXTENDED_STARTUPINFO_PRESENT | CREATE_UNICODE_ENVIRONMENT | (guest ? DETACHED_PROCESS : 0);
    HANDLE token = guest && restricted ? restricted_token() : nullptr;
    PROCESS_INFORMATION process = {};
    BOOL made = token ? CreateProcessAsUserW(token, program.c_str(), &command[0], nullptr, nullptr, TRUE, flags,
                                             &variables[0], folder.c_str(), &startup.StartupInfo, &process)
                      : CreateProcessW(guest ? program.c_str() : nullptr, &command[0], nullptr, nullptr, TRUE, flags,
                                       &variables[0], folder.c_str(), &startup.StartupInfo, &process);
    Trouble failed = trouble("CreateProcess");
    if (token) CloseHandle(token);
    DeleteProcThreadAttributeList(startup.lpAttributeList);
    if (!made) throw failed;
    EnterCriticalSection(&starting);
    bool ours = !stopping && AssignProcessToJobObject(job, process.hProcess);
    Trouble outside = trouble("AssignProcessToJobObject");
    if (ours)
        live.push_back(job);
    else
        TerminateProcess(process.hProcess, 1);
    LeaveCriticalSection(&starting);
    if (!ours) throw outside;
    ResumeThread(process.hThread);
    return process;
}

// Waits until the process ends or a limit is reached; which one. The wall clock stops what waits: time in which the
// job used its core, or got none but a little, does not count, up to ten times the limit.
static const char *attend(HANDLE process, HANDLE over, HANDLE job, const Limits &limits, ULONGLONG started) {
    HANDLE either[] = {process, over};
    ULONGLONG looked = started;
    long long used = 0, idle_ms = 0;
    for (;;) {
        DWORD happened = WaitForMultipleObjects(2, either, FALSE, 20), active = 0;
        if (happened == WAIT_OBJECT_0) return "-";
        if (happened == WAIT_OBJECT_0 + 1) return "output";
        long long now_used = cpu_ms(job, &active);
        ULONGLONG now = GetTickCount64();
        if (now_used > limits.cpu_ms) return "cpu";
        if ((long long)(now - looked) >= LOOK_MS) {
            if (now_used == used) idle_ms += (long long)(now - looked);
            looked = now;
            used = now_used;
        }
        if (idle_ms > limits.wall_ms || (long long)(now - started) > PATIENCE * limits.wall_ms) return "wall";
    }
}

static bool out_of_memory(HANDLE job, HANDLE messages, const Limits &limits) {
    DWORD message = 0;
    ULONG_PTR key = 0;
    OVERLAPPED *process = nullptr;
    bool full = false;
    while (GetQueuedCompletionStatus(messages, &message, &key, &process, 0))
        full = full || message == JOB_OBJECT_MSG_JOB_MEMORY_LIMIT || message == JOB_OBJECT_MSG_PROCESS_MEMORY_LIMIT;
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION used = {};
    QueryInformationJobObject(job, JobObjectExtendedLimitInformation, &used, sizeof used, nullptr);
    return full || (long long)used.PeakJobMemoryUsed > limits.memory;
}

// Run the compiler (`program` empty) or a program to its end, and leave nothing of it alive.
static Run run(const wstring &program, const wstring &command, const wstring &folder, HANDLE in, const Limits &limits) {
    HANDLE messages = CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 1);
    HANDLE job = job_object(limits, messages), over = CreateEventW(nullptr, TRUE, FALSE, nullptr);
    SECURITY_ATTRIBUTES inherit = {sizeof inherit, nullptr, TRUE};
    Pipe pipes[2];
    for (Pipe &pipe : pipes) {
        pipe.over = over;
        pipe.limit = limits.output;
        if (!CreatePipe(&pipe.read, &pipe.write, &inherit, 1 << 16)) throw trouble("CreatePipe");
    }
    Run result;
    ULONGLONG started = GetTickCount64();
    Trouble failed;
    PROCESS_INFORMATION process = {};
    try {
        process = start(job, program, command, folder, in, pipes[0].write, pipes[1].write);
    } catch (const Trouble &problem) {
        failed = problem;
    }
    for (Pipe &pipe : pipes) {
        CloseHandle(pipe.write);
        pipe.thread = CreateThread(nullptr, 0, collect, &pipe, 0, nullptr);
    }
    if (process.hProcess) {
        result.limit = attend(process.hProcess, over, job, limits, started);
        GetExitCodeProcess(process.hProcess, &result.exit_code);
        TerminateJobObject(job, 1);
        DWORD active = 1;
        for (int tries = 0; tries < 500 && (result.cpu_ms = cpu_ms(job, &active), active); ++tries) Sleep(10);
    }
    for (Pipe &pipe : pipes) {
        if (WaitForSingleObject(pipe.thread, 5000) == WAIT_TIMEOUT) CancelSynchronousIo(pipe.thread);
        WaitForSingleObject(pipe.thread, INFINITE);
        CloseHandle(pipe.thread);
        CloseHandle(pipe.read);
    }
    result.wall_ms = (long long)(GetTickCount64() - started);
    string plain = "-";
    if (result.limit == plain && WaitForSingleObject(over, 0) == WAIT_OBJECT_0) result.limit = "output";
    if (result.limit == plain && result.cpu_ms > limits.cpu_ms) result.limit = "cpu";
    if (result.limit == plain && result.exit_code != 0 && out_of_memory(job, messages, limits)) result.limit = "memory";
    result.out.swap(pipes[0].data);
    result.err.swap(pipes[1].data);
    EnterCriticalSection(&starting);
    for (size_t i = 0; i < live.size(); ++i)
        if (live[i] == job) live.erase(live.begin() + long(i--));
    CloseHandle(job);
    LeaveCriticalSection(&starting);
    for (HANDLE handle : {messages, over, process.hThread, process.hProcess})
        if (handle) CloseHandle(handle);
    if (!failed.words.empty()) throw failed;
    return result;
}
