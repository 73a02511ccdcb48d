// Compiled below an answer in C++: how the steps of the tests take their arguments and say what they found. A value says
// itself what it is (value.hpp reads that); none of its own operators is asked, and no header of its type is needed.

extern "C" {
int halo_next(void);
void halo_take(void *, unsigned long);
void halo_put(const void *, unsigned long);
void halo_begin(void);
void halo_reply(void);
void halo_caught(void);
void halo_again(void);
unsigned long halo_mark(void);
void halo_insert(unsigned long);
void halo_main(void);
unsigned long long halo_kinds(void);
void halo_gone(void);
}

namespace halo_steps {

using Size = unsigned long long;
template <class T> using Bare = std::remove_cv_t<std::remove_reference_t<T>>;
template <class T> using Same = T;
template <class...> using Void = void;

#define HALO_HAS(name, ...) \
    template <class T, class = void> struct name : std::false_type {}; \
    template <class T> struct name<T, Void<__VA_ARGS__>> : std::true_type {};
HALO_HAS(is_pair, typename T::first_type, typename T::second_type)
HALO_HAS(is_text_like, decltype(std::declval<const T &>().data()), decltype(std::declval<const T &>().substr(0)))
HALO_HAS(is_items, decltype(std::declval<T &>().begin()), decltype(std::declval<T &>().end()))
HALO_HAS(is_maybe, decltype(std::declval<T &>().has_value()), decltype(*std::declval<T &>()))
HALO_HAS(is_owner, decltype(std::declval<T &>().get()), decltype(std::declval<T &>().operator->()))
HALO_HAS(is_complex, decltype(std::declval<T &>().real()), decltype(std::declval<T &>().imag()), typename T::value_type)
HALO_HAS(is_tuple, decltype(std::tuple_size<T>::value))
HALO_HAS(can_push, decltype(std::declval<T &>().push_back(std::declval<typename T::value_type>())))
HALO_HAS(is_map, typename T::mapped_type)
HALO_HAS(can_load, decltype(std::declval<T &>().load()), decltype(std::declval<T &>().is_lock_free()))
HALO_HAS(is_reference, typename T::type, decltype(std::declval<T &>().get()), decltype(std::declval<T &>()()))
HALO_HAS(as_bool, decltype(std::declval<T &>().operator bool()))
HALO_HAS(as_int, decltype(std::declval<T &>().operator int()))
HALO_HAS(as_long, decltype(std::declval<T &>().operator long()))
HALO_HAS(as_long_long, decltype(std::declval<T &>().operator long long()))
HALO_HAS(as_unsigned, decltype(std::declval<T &>().operator unsigned()))
HALO_HAS(as_size, decltype(std::declval<T &>().operator unsigned long()))
HALO_HAS(as_double, decltype(std::declval<T &>().operator double()))
HALO_HAS(as_float, decltype(std::declval<T &>().operator float()))
HALO_HAS(as_string, decltype(std::declval<T &>().operator std::string()))
#undef HALO_HAS

inline void letter(char c) { halo_put(&c, 1); }
template <class T> void raw(const T &value) { halo_put(&value, sizeof value); }
template <class T> T taken() {
    T value;
    halo_take(&value, sizeof value);
    return value;
}

// ---- arguments
template <class T> void take(T &value);
template <class T> struct Held {
    T value;
    Held() { take(value); }
};
template <class T> T made() {
    if constexpr (std::is_same_v<T, const char *>) {
        return taken<bool>() ? (new Held<std::string>)->value.c_str() : nullptr;
    } else if constexpr (std::is_same_v<T, std::string_view>) {
        return (new Held<std::string>)->value;
    } else if constexpr (is_pair<T>::value) {
        auto first = made<std::remove_const_t<typename T::first_type>>();
        return T(std::move(first), made<typename T::second_type>());
    } else {
        T value{};
        take(value);
        return value;
    }
}
template <std::size_t I, class T> void take_fields(T &value) {
    using std::get;
    if constexpr (I < std::tuple_size<T>::value) {
        take(get<I>(value));
        take_fields<I + 1>(value);
    }
}
template <class T> void take(T &value) {
    if constexpr (std::is_array_v<T>) {
        if constexpr (std::is_arithmetic_v<std::remove_all_extents_t<T>>) halo_take(value, sizeof value);
        else for (auto &item : value) take(item);
    } else if constexpr (std::is_same_v<T, bool>) {
        value = taken<unsigned char>() != 0;
    } else if constexpr (std::is_arithmetic_v<T>) {
        halo_take(&value, sizeof value);
    } else if constexpr (std::is_same_v<T, const char *> || std::is_same_v<T, std::string_view>) {
        value = made<T>();
    } else if constexpr (std::is_same_v<T, std::string>) {
        value.assign(static_cast<std::size_t>(taken<Size>()), '\0');
        halo_take(value.data(), value.size());
    } else if constexpr (can_push<T>::value) {
        for (Size left = taken<Size>(); left > 0; left--) value.push_back(made<typename T::value_type>());
    } else if constexpr (is_complex<T>::value) {
        const auto real = taken<typename T::value_type>();
        value = T(real, taken<typename T::value_type>());
    } else if constexpr (is_maybe<T>::value) {
        if (taken<unsigned char>()) value = made<typename T::value_type>();
    } else if constexpr (is_pair<T>::value || is_tuple<T>::value) {
        take_fields<0>(value);
    } else {
        for (Size left = taken<Size>(); left > 0; left--) value.insert(made<typename T::value_type>());
    }
}

// ---- results
template <class T> void put(const T &value);
template <std::size_t I, class T> void put_fields(const T &value) {
    using std::get;
    if constexpr (I < std::tuple_size<T>::value) {
        put(get<I>(value));
        put_fields<I + 1>(value);
    }
}
inline void put_text(const char *text, std::size_t size) {
    letter('s');
    raw(static_cast<Size>(size));
    halo_put(text, size);
}
template <class T> void put_chars(const T *text) {
    std::size_t size = 0;
    if (text == nullptr) {
        letter('n');
        raw(Size(0));
        return;
    }
    while (text[size]) size++;
    put_text(reinterpret_cast<const char *>(text), size);
}
template <class T> constexpr bool is_char = std::is_same_v<T, char> || std::is_same_v<T, signed char> || std::is_same_v<T, unsigned char>;
template <class Items> void put_items(const Items &items, Size count) {
    letter('l');
    raw(count);
    for (auto &&item : items) put(static_cast<typename std::iterator_traits<decltype(std::begin(items))>::value_type>(item));
}
template <class T> constexpr bool whole_or_real() {
    return std::is_arithmetic_v<T> || std::is_enum_v<T> || std::is_same_v<T, __int128> || std::is_same_v<T, unsigned __int128>;
}
template <class T> constexpr bool converts() {
    return as_bool<T>::value || as_int<T>::value || as_long<T>::value || as_long_long<T>::value || as_unsigned<T>::value ||
           as_size<T>::value || as_double<T>::value || as_float<T>::value || as_string<T>::value;
}
template <class T> constexpr bool can_put() {
    return whole_or_real<T>() || std::is_pointer_v<T> || std::is_null_pointer_v<T> || std::is_array_v<T> ||
           is_text_like<T>::value || is_items<const T>::value || is_maybe<T>::value || is_owner<T>::value ||
           is_complex<T>::value || is_tuple<T>::value || can_load<T>::value || is_reference<T>::value || converts<T>();
}
template <class T> void put(const T &value) {
    if constexpr (std::is_enum_v<T>) {
        put(static_cast<std::underlying_type_t<T>>(value));
    } else if constexpr (std::is_floating_point_v<T>) {
        letter('f');
        long double wide = value;
        raw(wide);
    } else if constexpr (std::is_same_v<T, __int128> || std::is_same_v<T, unsigned __int128>) {
        letter('w');
        raw(static_cast<__int128>(value));
    } else if constexpr (std::is_integral_v<T>) {
        letter(std::is_signed_v<T> ? 'i' : 'u');
        if constexpr (std::is_signed_v<T>) raw(static_cast<long long>(value));
        else raw(static_cast<Size>(value));
    } else if constexpr (std::is_null_pointer_v<T>) {
        letter('n');
        raw(Size(0));
    } else if constexpr (std::is_array_v<T>) {
        using Item = std::remove_cv_t<std::remove_extent_t<T>>;
        if constexpr (is_char<Item>) put_chars(&value[0]);
        else put_items(value, std::extent_v<T>);
    } else if constexpr (std::is_pointer_v<T>) {
        using Item = std::remove_cv_t<std::remove_pointer_t<T>>;
        if constexpr (is_char<Item>) {
            put_chars(value);
        } else {
            letter(value ? 'p' : 'n');
            raw((Size)(unsigned long)value);
        }
    } else if constexpr (is_text_like<T>::value) {
        using Item = std::remove_cv_t<std::remove_pointer_t<decltype(value.data())>>;
        if constexpr (is_char<Item>) put_text(reinterpret_cast<const char *>(value.data()), value.size());
        else put_items(value, value.size());
    } else if constexpr (can_load<T>::value) {
        put(value.load());
    } else if constexpr (is_maybe<T>::value) {
        letter('o');
        letter(value.has_value() ? 1 : 0);
        if (value.has_value()) put(*value);
    } else if constexpr (is_owner<T>::value) {
        letter(value.get() ? 'p' : 'n');
        raw((Size)(unsigned long)value.get());
    } else if constexpr (is_items<const T>::value) {
        Size count = 0;
        for (auto at = value.begin(); at != value.end(); ++at) count++;
        put_items(value, count);
    } else if constexpr (is_complex<T>::value) {
        letter('t');
        raw(Size(2));
        put(value.real());
        put(value.imag());
    } else if constexpr (is_tuple<T>::value) {
        letter('t');
        raw(Size(std::tuple_size<T>::value));
        put_fields<0>(value);
    } else if constexpr (is_reference<T>::value) {
        put(value.get());
    } else if constexpr (as_bool<T>::value && !as_int<T>::value) {
        put(const_cast<T &>(value).operator bool());
    } else if constexpr (as_long_long<T>::value) {
        put(const_cast<T &>(value).operator long long());
    } else if constexpr (as_long<T>::value) {
        put(const_cast<T &>(value).operator long());
    } else if constexpr (as_int<T>::value) {
        put(const_cast<T &>(value).operator int());
    } else if constexpr (as_size<T>::value) {
        put(const_cast<T &>(value).operator unsigned long());
    } else if constexpr (as_unsigned<T>::value) {
        put(const_cast<T &>(value).operator unsigned());
    } else if constexpr (as_double<T>::value) {
        put(const_cast<T &>(value).operator double());
    } else if constexpr (as_float<T>::value) {
        put(const_cast<T &>(value).operator float());
    } else if constexpr (as_string<T>::value) {
        put(const_cast<T &>(value).operator std::string());
    } else {
        static_assert(can_put<T>(), "the tests compare this with plain values, which no value of this type is");
    }
}
template <class T> void put_back(const T &value) {
    if constexpr (std::is_array_v<T>) {
        if constexpr (std::is_arithmetic_v<std::remove_all_extents_t<T>>) halo_put(value, sizeof value);
        else for (const auto &item : value) put_back(item);
    } else {
        put(value);
    }
}
template <class T> void put_bytes(const T *bytes, unsigned long size) {
    put_text(reinterpret_cast<const char *>(bytes), size);
}
// Both sides of a comparison, or what the answer's own operator says where they cannot cross.
template <class Left, class Right, class Compare> void put_both(Left &&a, Right &&b, Compare compare) {
    using A = Bare<Left>;
    using B = Bare<Right>;
    constexpr bool addresses = (std::is_pointer_v<A> || std::is_array_v<A>) && (std::is_pointer_v<B> || std::is_array_v<B>);
    if constexpr (can_put<A>() && can_put<B>() && !addresses) {
        letter('P');
        unsigned long at = halo_mark();
        put(a);
        halo_insert(at);
        at = halo_mark();
        put(b);
        halo_insert(at);
    } else {
        put(static_cast<bool>(compare(a, b)));
    }
}
inline void done() {
    halo_begin();
    halo_insert(1);
    halo_reply();
}
// The steps of a scope, until it is left; whether the loop around it is left too.
template <class Level> bool run(Level &level) {
    int step;
    while ((step = halo_next()) > 0) level(level, step);
    return step < 0;
}

}  // namespace halo_steps
