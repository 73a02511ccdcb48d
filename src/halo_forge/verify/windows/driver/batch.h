// What the runner reads and says (verify/batch.py has the words), and the files of a batch.
#pragma once
#ifndef UNICODE
#define UNICODE
#endif
#define NOMINMAX
#define WIN32_LEAN_AND_MEAN
#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0602
#endif
#include <windows.h>

#include <cstdlib>
#include <cwchar>
#include <cwctype>
#include <string>
#include <vector>

using std::string;
using std::wstring;

struct Limits {
    long long cpu_ms, wall_ms, memory;
    DWORD processes;
    size_t output;
};

struct File {
    string name, data;
};

struct Job {
    string compile, program;
    Limits compile_limits, run_limits;
    std::vector<File> files;
    std::vector<string> inputs;
};

struct Run {
    DWORD exit_code = 0;
    long long cpu_ms = 0, wall_ms = 0;
    const char *limit = "-";
    string out, err;
};

struct Batch {
    int at_once;          // programs side by side; 0: as many as there are cores
    long long silence_ms; // how long stdin may say nothing
    bool restricted;
    int timeouts_allowed;
    std::vector<Job> jobs;
};

// Something this machine did not do; never the answer's doing.
struct Trouble {
    string words;
};

static volatile LONG stopping = 0;
static volatile LONG64 last_sign = 0; // when stdin last said something, in GetTickCount64; 0: it ended
static CRITICAL_SECTION speaking;

static Trouble trouble(const string &what) {
    return Trouble{what + " failed with error " + std::to_string(GetLastError())};
}

static wstring wide(const string &text) {
    int size = MultiByteToWideChar(CP_UTF8, 0, text.data(), int(text.size()), nullptr, 0);
    wstring result(size_t(size), L'\0');
    MultiByteToWideChar(CP_UTF8, 0, text.data(), int(text.size()), &result[0], size);
    return result;
}

class Reader {
  public:
    explicit Reader(string text) : text_(std::move(text)) {}

    string word() {
        size_t end = text_.find_first_of(" \n", at_);
        if (end == string::npos) throw Trouble{"batch.txt is cut off"};
        string result = text_.substr(at_, end - at_);
        at_ = end + 1;
        return result;
    }
    long long number() { return std::atoll(word().c_str()); }
    string blob() {
        size_t size = size_t(number());
        if (size > text_.size() - at_) throw Trouble{"batch.txt is cut off"};
        string result = text_.substr(at_, size);
        at_ += size;
        return result;
    }
    Limits limits() {
        Limits result;
        result.cpu_ms = number();
        result.wall_ms = number();
        result.memory = number();
        result.processes = DWORD(number());
        result.output = size_t(number());
        return result;
    }

  private:
    string text_;
    size_t at_ = 0;
};

static string read_file(const wstring &path) {
    HANDLE file = CreateFileW(path.c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr, OPEN_EXISTING, 0, nullptr);
    if (file == INVALID_HANDLE_VALUE) throw trouble("opening batch.txt");
    string result;
    char buffer[1 << 16];
    DWORD got = 0;
    while (ReadFile(file, buffer, sizeof buffer, &got, nullptr) && got) result.append(buffer, got);
    CloseHandle(file);
    return result;
}

static Batch read_batch(const wstring &folder) {
    Reader reader(read_file(folder + L"\\batch.txt"));
    if (reader.word() != "halo-forge" || reader.number() != 1) throw Trouble{"batch.txt is of another version"};
    Batch batch;
    batch.at_once = int(reader.number());
    batch.silence_ms = reader.number();
    batch.restricted = reader.number() != 0;
    batch.timeouts_allowed = int(reader.number());
    batch.jobs.resize(size_t(reader.number()));
    for (Job &job : batch.jobs) {
        job.compile = reader.blob();
        job.program = reader.blob();
        job.compile_limits = reader.limits();
        job.run_limits = reader.limits();
        job.files.resize(size_t(reader.number()));
        for (File &file : job.files) {
            file.name = reader.blob();
            file.data = reader.blob();
        }
        job.inputs.resize(size_t(reader.number()));
        for (string &input : job.inputs) input = reader.blob();
    }
    return batch;
}

static string base64(const string &data) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    string result;
    for (size_t i = 0; i < data.size(); i += 3) {
        unsigned value = 0;
        for (size_t k = 0; k < 3; ++k) value = value << 8 | (i + k < data.size() ? (unsigned char)data[i + k] : 0u);
        for (size_t k = 0; k < 4; ++k) result += i + k <= data.size() ? digits[value >> (18 - 6 * k) & 63] : '=';
    }
    return result;
}

static void say(const string &line) {
    if (stopping) return;
    EnterCriticalSection(&speaking);
    string text = line + "\n";
    const char *at = text.data();
    size_t left = text.size();
    DWORD wrote = 0;
    while (left && WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), at, DWORD(left), &wrote, nullptr)) {
        at += wrote;
        left -= wrote;
    }
    if (left) InterlockedExchange64(&last_sign, 0); // nobody listens
    LeaveCriticalSection(&speaking);
}

static void say_run(const char *step, size_t job, const Run &run) {
    say(string("{\"step\": \"") + step + "\", \"job\": " + std::to_string(job) +
        ", \"exit_code\": " + std::to_string(run.exit_code) + ", \"cpu_ms\": " + std::to_string(run.cpu_ms) +
        ", \"wall_ms\": " + std::to_string(run.wall_ms) + ", \"limit\": \"" + run.limit + "\", \"out\": \"" +
        base64(run.out) + "\", \"err\": \"" + base64(run.err) + "\"}");
}

static void write_file(const wstring &path, const string &data) {
    HANDLE file = CreateFileW(path.c_str(), GENERIC_WRITE, 0, nullptr, CREATE_ALWAYS, 0, nullptr);
    if (file == INVALID_HANDLE_VALUE) throw trouble("creating a file");
    DWORD wrote = 0;
    bool whole =
        data.empty() || (WriteFile(file, data.data(), DWORD(data.size()), &wrote, nullptr) && wrote == data.size());
    Trouble failed = trouble("writing a file");
    CloseHandle(file);
    if (!whole) throw failed;
}

// Links are removed, not followed.
static bool remove_once(const wstring &path) {
    WIN32_FIND_DATAW found;
    HANDLE search = FindFirstFileW((path + L"\\*").c_str(), &found);
    if (search != INVALID_HANDLE_VALUE) {
        do {
            wstring name = found.cFileName, inner = path + L"\\" + name;
            if (name == L"." || name == L"..") continue;
            SetFileAttributesW(inner.c_str(), FILE_ATTRIBUTE_NORMAL);
            bool folder = (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
            if (!folder)
                DeleteFileW(inner.c_str());
            else if (found.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT)
                RemoveDirectoryW(inner.c_str());
            else
                remove_once(inner);
        } while (FindNextFileW(search, &found));
        FindClose(search);
    }
    return RemoveDirectoryW(path.c_str()) || GetLastError() == ERROR_FILE_NOT_FOUND ||
           GetLastError() == ERROR_PATH_NOT_FOUND;
}

// What has just been killed, or a virus scanner, may hold a file for a moment longer.
static void remove_folder(const wstring &path) {
    for (int tries = 0; tries < 20 && !remove_once(L"\\\\?\\" + path); ++tries) Sleep(250);
}
