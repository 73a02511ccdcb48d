// Judges one batch on Windows: compiles each program, runs it once a test in a job object, and says what each run did.
//
//   runner.exe BATCH      reads BATCH\batch.txt, writes lines of JSON to stdout, removes BATCH; see verify/batch.py
//
// It knows inputs only; what a test expects is not on this machine. It ends, with all it started, when its stdin ends
// or says nothing for the silence agreed on: then nobody is left to hear the results.

#include "guest.h"

#include <shellapi.h>

#include <cstdio>

static Batch batch;
static wstring batch_folder;
static volatile LONG next_job = 0;

static Run compile(const string &command, const wstring &folder, const Limits &limits) {
    SECURITY_ATTRIBUTES inherit = {sizeof inherit, nullptr, TRUE};
    HANDLE nothing =
        CreateFileW(L"NUL", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, &inherit, OPEN_EXISTING, 0, nullptr);
    Run result = run(L"", wide(command), folder, nothing, limits);
    CloseHandle(nothing);
    return result;
}

// In a folder of its own with a copy of the program: what a test leaves or changes there, the next one does not find.
// The input lies beside it and is gone when the run is.
static Run test(const Job &job, const string &input, const wstring &compiled) {
    wstring path = compiled + L".in", folder = compiled + L".t", program = folder + L"\\" + wide(job.program);
    if (!CreateDirectoryW(folder.c_str(), nullptr)) throw trouble("CreateDirectory");
    if (!CopyFileW((compiled + L"\\" + wide(job.program)).c_str(), program.c_str(), TRUE)) throw trouble("CopyFile");
    write_file(path, input);
    SECURITY_ATTRIBUTES inherit = {sizeof inherit, nullptr, TRUE};
    HANDLE in = CreateFileW(path.c_str(), GENERIC_READ, FILE_SHARE_READ, &inherit, OPEN_EXISTING, 0, nullptr);
    if (in == INVALID_HANDLE_VALUE) throw trouble("opening an input");
    Run result = run(program, L"\"" + program + L"\"", folder, in, job.run_limits);
    CloseHandle(in);
    DeleteFileW(path.c_str());
    remove_folder(folder);
    return result;
}

static void judge(size_t index) {
    const Job &job = batch.jobs[index];
    wstring folder = batch_folder + L"\\j" + std::to_wstring(index);
    string plain = "-";
    try {
        if (!CreateDirectoryW(folder.c_str(), nullptr)) throw trouble("CreateDirectory");
        for (const File &file : job.files) write_file(folder + L"\\" + wide(file.name), file.data);
        Run compiled = compile(job.compile, folder, job.compile_limits);
        say_run("compile", index, compiled);
        bool good = compiled.exit_code == 0 && compiled.limit == plain && !job.program.empty();
        int timeouts = 0;
        for (size_t i = 0; good && i < job.inputs.size() && timeouts < batch.timeouts_allowed && !stopping; ++i) {
            Run tested = test(job, job.inputs[i], folder);
            say_run("test", index, tested);
            timeouts += tested.limit == string("cpu") || tested.limit == string("wall");
        }
        say("{\"step\": \"end\", \"job\": " + std::to_string(index) + "}");
    } catch (const Trouble &problem) {
        say("{\"step\": \"trouble\", \"job\": " + std::to_string(index) + ", \"words\": \"" + base64(problem.words) +
            "\"}");
    }
    remove_folder(folder);
    remove_folder(folder + L".t");
}

static DWORD WINAPI work(void *) {
    for (LONG index; !stopping && (index = InterlockedIncrement(&next_job) - 1) < LONG(batch.jobs.size());)
        judge(size_t(index));
    return 0;
}

static DWORD WINAPI listen(void *) {
    char buffer[256];
    DWORD got = 0;
    while (ReadFile(GetStdHandle(STD_INPUT_HANDLE), buffer, sizeof buffer, &got, nullptr) && got)
        InterlockedExchange64(&last_sign, LONG64(GetTickCount64()));
    InterlockedExchange64(&last_sign, 0);
    return 0;
}

static void stop(const std::vector<HANDLE> &workers) {
    EnterCriticalSection(&starting);
    InterlockedExchange(&stopping, 1);
    for (HANDLE job : live) TerminateJobObject(job, 1);
    LeaveCriticalSection(&starting);
    WaitForMultipleObjects(DWORD(workers.size()), workers.data(), TRUE, 10000);
    remove_folder(batch_folder);
    ExitProcess(4);
}

int main() {
    // No dialog of a crash may wait for somebody to click it away; what is started inherits this.
    SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX | SEM_NOOPENFILEERRORBOX);
    InitializeCriticalSection(&speaking);
    InitializeCriticalSection(&starting);
    int count = 0;
    wchar_t **arguments = CommandLineToArgvW(GetCommandLineW(), &count);
    if (count != 2) return std::fprintf(stderr, "usage: runner.exe BATCH\n"), 2;
    batch_folder = arguments[1];
    try {
        batch = read_batch(batch_folder);
        restricted = batch.restricted;
        Run asked = compile("cl.exe", batch_folder, Limits{30000, 60000, 1LL << 30, 16, 1 << 16});
        string version = asked.err.substr(0, asked.err.find_first_of("\r\n"));
        say("{\"step\": \"ready\", \"codepage\": " + std::to_string(GetOEMCP()) + ", \"words\": \"" + base64(version) +
            "\"}");
        InterlockedExchange64(&last_sign, LONG64(GetTickCount64()));
        CloseHandle(CreateThread(nullptr, 0, listen, nullptr, 0, nullptr));
        size_t wanted = batch.at_once > 0 ? size_t(batch.at_once) : GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
        std::vector<HANDLE> workers;
        for (size_t i = 0; i < wanted && i < batch.jobs.size() && i < MAXIMUM_WAIT_OBJECTS; ++i)
            workers.push_back(CreateThread(nullptr, 0, work, nullptr, 0, nullptr));
        ULONGLONG said = 0;
        while (WaitForMultipleObjects(DWORD(workers.size()), workers.data(), TRUE, 100) == WAIT_TIMEOUT) {
            ULONGLONG now = GetTickCount64();
            if ((long long)(now - ULONGLONG(last_sign)) > batch.silence_ms) stop(workers);
            if ((long long)(now - said) < batch.silence_ms / 6) continue;
            say("{\"step\": \"alive\"}");
            said = now;
        }
        remove_folder(batch_folder);
        say("{\"step\": \"bye\"}");
    } catch (const Trouble &problem) {
        return std::fprintf(stderr, "%s\n", problem.words.c_str()), 3;
    }
    return 0;
}
