/// The border between C++ and PostgreSQL, and its two rules.
///
///  1. No C++ exception crosses a frame of PostgreSQL: at the border it becomes an ERROR (as_error).
///  2. No longjmp crosses a frame that has something to destroy: a frame that calls PostgreSQL holds trivially
///     destructible objects only. What is handed over the border is checked for it by the compiler.
///
/// Memory is therefore PostgreSQL's: palloc'd, and freed with its memory context.
#pragma once

#include <exception>
#include <new>

#include "server/fault.hpp"
#include "server/postgres.hpp"

namespace contact_sync
{

/// Raises as an ERROR what a C++ exception said: 53200 for bad_alloc, else XX000.
[[noreturn]] void raise_exception(bool out_of_memory, const char *what);

/// Runs `body` and returns what it returns. A C++ exception that leaves it is raised as an ERROR, after the last C++
/// frame between was unwound.
template <typename Body> auto as_error(const Body &body) -> decltype(body())
{
	static_assert(std::is_trivially_destructible_v<Body>, "an ERROR in the body would jump over a destructor");
	static_assert(std::is_trivially_destructible_v<decltype(body())> || std::is_void_v<decltype(body())>);

	ErrorContextCallback *const context = error_context_stack;
	sigjmp_buf *const handler = PG_exception_stack;
	bool out_of_memory = false;
	char what[256] = "unknown C++ exception";

	try
	{
		return body();
	}
	catch (const std::bad_alloc &)
	{
		out_of_memory = true;
	}
	catch (const std::exception &exception)
	{
		strlcpy(what, exception.what(), sizeof what);
	}
	catch (...)
	{
		// Foreign types have nothing to say.
	}
	// What frames in between had put there is gone with them.
	error_context_stack = context;
	PG_exception_stack = handler;
	raise_exception(out_of_memory, what);
}

} // namespace contact_sync
