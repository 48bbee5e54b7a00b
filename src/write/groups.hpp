/// How the notes of one statement are tried in groups, so that those at fault end up alone.
#pragma once

#include "server/postgres.hpp"

namespace contact_sync
{

/// Whether an error may come of what is in one row: of classes 22 and 23, P0001, or of a code that PostgreSQL does not
/// know, and so a user's own. Any other is about tables, locks or the server, and would only come again.
bool may_be_one_rows_fault(int sqlstate);

/// The groups of notes to try, one after the other, in their order: first all of them. Of a group that failed, what
/// came before the batch at fault, halves of that batch, and what comes after it. Each note is tried, and there are at
/// most `most_attempts` attempts.
class Groups
{
  public:
	static constexpr int most_attempts = 60;

	explicit Groups(int64 size) : waiting_{size} {}

	/// Goes on to the next group; false when there is none.
	bool next();

	/// How many notes the group has.
	int64 size() const { return size_; }

	/// Lets the same group come once more.
	void try_again();

	/// Lets parts of the group come next; false where it cannot be split any more. `served` notes were carried out
	/// before the batch of `failed` that was not.
	bool split(int64 served, int64 failed);

  private:
	int64 waiting_[most_attempts];
	int waiting_count_ = 1;
	int attempts_ = 0;
	int64 size_ = 0;
};

} // namespace contact_sync
