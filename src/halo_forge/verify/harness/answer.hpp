// The process of the answer: takes calls from the process of the tests until that one ends.

// What the answer returned is no number of the type that was asked for.
extern "C" [[noreturn]] void halo_lost(void) {
    std::fprintf(stderr, "what was returned does not fit the type that was asked for\n");
    _exit(0);
}

namespace halo_wire {

inline void put_error(Out &out, Ending ending, const char *what) {
    out.data.clear();
    Wire<unsigned char>::put(out, static_cast<unsigned char>(ending));
    Wire<std::string>::put(out, what);
}

template <class T> void give_back(Out &out, const Bare<T> &argument) {
    if constexpr (comes_back<T>) Wire<Bare<T>>::put(out, argument);
}

template <class T> T &&pass(Bare<T> &argument) { return static_cast<T &&>(argument); }

template <class R, class... A, std::size_t... I>
void call(In &in, Out &out, R (*function)(A...), std::index_sequence<I...>) {
    std::tuple<Bare<A>...> arguments{Wire<Bare<A>>::get(in)...};
    Wire<unsigned char>::put(out, static_cast<unsigned char>(Ending::value));
    if constexpr (std::is_void_v<R>) {
        function(pass<A>(std::get<I>(arguments))...);
        (give_back<A>(out, std::get<I>(arguments)), ...);
    } else {
        R result = function(pass<A>(std::get<I>(arguments))...);
        (give_back<A>(out, std::get<I>(arguments)), ...);
        Wire<Bare<R>>::put(out, result);
    }
}

template <class R, class... A> void answer(In &in, Out &out, R (*function)(A...)) {
    try {
        call(in, out, function, std::index_sequence_for<A...>());
    }
#define HALO_CATCH(kind) catch (const std::kind &error) { put_error(out, Ending::kind, error.what()); }
    HALO_STANDARD(HALO_CATCH)
#undef HALO_CATCH
    catch (const std::bad_alloc &) {
        throw;  // ends the process, which says why
    }
    catch (const std::exception &error) { put_error(out, Ending::other, error.what()); }
    catch (const char *error) { put_error(out, Ending::text, error); }
    catch (const std::string &error) { put_error(out, Ending::text, error.c_str()); }
    catch (int error) {
        out.data.clear();
        Wire<unsigned char>::put(out, static_cast<unsigned char>(Ending::number));
        Wire<int>::put(out, error);
    }
    catch (...) { put_error(out, Ending::foreign, ""); }
}

}  // namespace halo_wire
