// The process of the answer, where the tests' objects live in it: the ends of the two pipes, and what an exception is.

static halo_wire::In halo_in;
static halo_wire::Out halo_out;
static std::exception_ptr halo_error;

extern "C" {
void halo_main(void);
unsigned long long halo_kinds(void);

void halo_gone(void) { _exit(1); }
int halo_next(void) {
    if (!halo_wire::receive(3, halo_in)) _exit(0);
    return halo_wire::Wire<int>::get(halo_in);
}
void halo_take(void *bytes, unsigned long size) { halo_in.raw(bytes, size); }
void halo_put(const void *bytes, unsigned long size) { halo_out.raw(bytes, size); }
void halo_begin(void) {
    halo_out.data.assign(1, static_cast<char>(halo_wire::Ending::value));
}
void halo_reply(void) {
    if (!halo_wire::send(4, halo_out)) _exit(0);
}
unsigned long halo_mark(void) { return halo_out.data.size(); }
void halo_insert(unsigned long at) {
    const std::uint64_t size = halo_out.data.size() - at;
    halo_out.data.insert(at, reinterpret_cast<const char *>(&size), sizeof size);
}

// `caught` is called where an exception is being handled and says which it is; `again` throws that one.
void halo_again(void) { std::rethrow_exception(halo_error); }
void halo_caught(void) {
    using halo_wire::Ending;
    halo_error = std::current_exception();
    const auto say = [](Ending ending, const char *what) {
        halo_out.data.assign(1, static_cast<char>(ending));
        halo_wire::Wire<unsigned long long>::put(halo_out, halo_kinds());
        halo_wire::Wire<std::string>::put(halo_out, what);
    };
    try {
        throw;
    }
#define HALO_CATCH(kind) catch (const std::kind &error) { say(Ending::kind, error.what()); }
    HALO_STANDARD(HALO_CATCH)
#undef HALO_CATCH
    catch (const std::bad_alloc &) { std::terminate(); }  // ends the process, which says why
    catch (const std::exception &error) { say(Ending::other, error.what()); }
    catch (const char *error) { say(Ending::text, error); }
    catch (const std::string &error) { say(Ending::text, error.c_str()); }
    catch (int error) {
        halo_out.data.assign(1, static_cast<char>(Ending::number));
        halo_wire::Wire<unsigned long long>::put(halo_out, halo_kinds());
        halo_wire::Wire<int>::put(halo_out, error);
    }
    catch (...) { say(Ending::foreign, ""); }
    halo_reply();
}
}

int main() {
    halo_main();
    _exit(0);
}
