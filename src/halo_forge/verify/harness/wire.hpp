// Values that cross between the process of the tests and the process of the answer: fundamental types, strings and
// the standard containers of such. A type without a Wire cannot cross: the tests then do not compile this way.
// What comes from the answer is checked against the length of its frame before anything is made of it.

#include <array>
#include <complex>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <list>
#include <map>
#include <new>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace halo_wire {

constexpr std::uint32_t FRAME_BYTES = 64u << 20;

struct Broken {};  // a frame that does not hold what it should

struct Out {
    std::string data;
    void raw(const void *bytes, std::size_t count) { data.append(static_cast<const char *>(bytes), count); }
    void count(std::uint64_t value) { raw(&value, sizeof value); }
};

struct In {
    std::string data;
    std::size_t at = 0;
    void raw(void *bytes, std::size_t count) {
        if (count > data.size() - at) throw Broken();
        std::memcpy(bytes, data.data() + at, count);
        at += count;
    }
    std::size_t count() {
        std::uint64_t value;
        raw(&value, sizeof value);
        if (value > data.size() - at) throw Broken();  // every item takes a byte at least
        return static_cast<std::size_t>(value);
    }
};

template <class T, class = void> struct Wire;

template <class T> struct Wire<T, std::enable_if_t<std::is_arithmetic_v<T>>> {
    static void put(Out &out, const T &value) { out.raw(&value, sizeof value); }
    static T get(In &in) {
        if constexpr (std::is_same_v<T, bool>) {
            unsigned char byte;
            in.raw(&byte, 1);
            return byte != 0;
        } else {
            T value;
            in.raw(&value, sizeof value);
            return value;
        }
    }
};

template <> struct Wire<std::string> {
    static void put(Out &out, const std::string &value) {
        out.count(value.size());
        out.raw(value.data(), value.size());
    }
    static std::string get(In &in) {
        std::string value(in.count(), '\0');
        in.raw(value.data(), value.size());
        return value;
    }
};

template <> struct Wire<const char *> {
    static void put(Out &out, const char *value) {
        Wire<bool>::put(out, value != nullptr);
        if (value) Wire<std::string>::put(out, value);
    }
    static const char *get(In &in) {
        static std::list<std::string> kept;
        if (!Wire<bool>::get(in)) return nullptr;
        kept.push_back(Wire<std::string>::get(in));
        return kept.back().c_str();
    }
};

template <class Items> void put_items(Out &out, const Items &items) {
    out.count(static_cast<std::uint64_t>(std::distance(items.begin(), items.end())));
    for (auto &&item : items) Wire<typename Items::value_type>::put(out, item);
}

template <class Items> struct Sequence {
    static void put(Out &out, const Items &items) { put_items(out, items); }
    static Items get(In &in) {
        Items items;
        for (std::size_t left = in.count(); left > 0; left--) items.push_back(Wire<typename Items::value_type>::get(in));
        return items;
    }
};
template <class T> struct Wire<std::vector<T>> : Sequence<std::vector<T>> {};
template <class T> struct Wire<std::deque<T>> : Sequence<std::deque<T>> {};
template <class T> struct Wire<std::list<T>> : Sequence<std::list<T>> {};

template <class Items> struct Set {
    static void put(Out &out, const Items &items) { put_items(out, items); }
    static Items get(In &in) {
        Items items;
        for (std::size_t left = in.count(); left > 0; left--) items.insert(Wire<typename Items::value_type>::get(in));
        return items;
    }
};
template <class T> struct Wire<std::set<T>> : Set<std::set<T>> {};
template <class T> struct Wire<std::multiset<T>> : Set<std::multiset<T>> {};
template <class T> struct Wire<std::unordered_set<T>> : Set<std::unordered_set<T>> {};

template <class K, class V> struct Wire<std::pair<K, V>> {
    using Pair = std::pair<K, V>;
    static void put(Out &out, const Pair &value) {
        Wire<std::remove_const_t<K>>::put(out, value.first);
        Wire<V>::put(out, value.second);
    }
    static Pair get(In &in) {
        std::remove_const_t<K> first = Wire<std::remove_const_t<K>>::get(in);
        return Pair(std::move(first), Wire<V>::get(in));
    }
};
template <class K, class V> struct Wire<std::map<K, V>> : Set<std::map<K, V>> {};
template <class K, class V> struct Wire<std::multimap<K, V>> : Set<std::multimap<K, V>> {};
template <class K, class V> struct Wire<std::unordered_map<K, V>> : Set<std::unordered_map<K, V>> {};

template <class T, std::size_t N> struct Wire<std::array<T, N>> {
    static void put(Out &out, const std::array<T, N> &items) {
        for (const T &item : items) Wire<T>::put(out, item);
    }
    static std::array<T, N> get(In &in) {
        std::array<T, N> items{};
        for (T &item : items) item = Wire<T>::get(in);
        return items;
    }
};

template <class... T> struct Wire<std::tuple<T...>> {
    static void put(Out &out, const std::tuple<T...> &value) {
        std::apply([&out](const T &...items) { (Wire<T>::put(out, items), ...); }, value);
    }
    static std::tuple<T...> get(In &in) {
        return std::tuple<T...>{Wire<T>::get(in)...};  // braces: from left to right
    }
};

template <class T> struct Wire<std::optional<T>> {
    static void put(Out &out, const std::optional<T> &value) {
        Wire<bool>::put(out, value.has_value());
        if (value) Wire<T>::put(out, *value);
    }
    static std::optional<T> get(In &in) {
        if (!Wire<bool>::get(in)) return std::nullopt;
        return Wire<T>::get(in);
    }
};

template <class T> struct Wire<std::complex<T>> {
    static void put(Out &out, const std::complex<T> &value) { out.raw(&value, sizeof value); }
    static std::complex<T> get(In &in) {
        T real = Wire<T>::get(in);
        return {real, Wire<T>::get(in)};
    }
};

template <class T> using Bare = std::remove_cv_t<std::remove_reference_t<T>>;
template <class T>
constexpr bool comes_back = std::is_lvalue_reference_v<T> && !std::is_const_v<std::remove_reference_t<T>>;

// The standard's exceptions that carry words, derived ones before those that they derive from.
#define HALO_STANDARD(EACH) \
    EACH(invalid_argument) EACH(domain_error) EACH(length_error) EACH(out_of_range) EACH(logic_error) \
    EACH(range_error) EACH(overflow_error) EACH(underflow_error) EACH(runtime_error)
#define HALO_NAME(name) name,
enum class Ending : unsigned char { value, HALO_STANDARD(HALO_NAME) bad_alloc, number, text, other, foreign };
#undef HALO_NAME

inline bool send(int fd, const Out &out) {
    std::uint32_t size = static_cast<std::uint32_t>(out.data.size());
    if (out.data.size() > FRAME_BYTES) return false;
    std::string frame(reinterpret_cast<const char *>(&size), sizeof size);
    frame += out.data;
    for (std::size_t sent = 0; sent < frame.size();) {
        ssize_t count = write(fd, frame.data() + sent, frame.size() - sent);
        if (count <= 0) return false;
        sent += static_cast<std::size_t>(count);
    }
    return true;
}

inline bool fill(int fd, char *bytes, std::size_t size) {
    while (size > 0) {
        ssize_t count = read(fd, bytes, size);
        if (count <= 0) return false;
        bytes += count;
        size -= static_cast<std::size_t>(count);
    }
    return true;
}

inline bool receive(int fd, In &in) {
    std::uint32_t size = 0;
    in = In();
    if (!fill(fd, reinterpret_cast<char *>(&size), sizeof size) || size > FRAME_BYTES) return false;
    in.data.resize(size);
    return fill(fd, in.data.data(), size);
}

}  // namespace halo_wire
