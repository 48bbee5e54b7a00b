/// Whether and how an empty number column can take the other one's value without making the customer's row fail.
#pragma once

#include "column.hpp"

namespace contact_sync
{

/// How a column is filled from another, looked up once. What it points to lives in the memory context of the look-up.
struct Filling
{
	const char *obstacle;	///< why it never is, as a clause; null where it may be
	int sqlstate;			///< of the obstacle
	bool is_copy;			///< values go over as they are, if they are no longer than allowed; else by a cast
	int max_characters;		///< -1: any number
	int max_bytes;			///< likewise
	List *conditions;		///< the table's own, as far as they say anything of the column
	List *expressions;		///< of indexes on the column: they must not raise
	bool is_generated_from; ///< other columns are

	/// Whether fill() can raise nothing.
	bool is_riskless() const { return is_copy && conditions == NIL && expressions == NIL && !is_generated_from; }
};

/// Looks up how `target` of a table is filled from `source`.
Filling look_up_filling(Relation table, const Column &target, const Column &source);

/// Why a value does not fit as it is: a message, or null where it does. For a copy; a cast finds out for itself.
const char *misfit(const Filling &filling, const Column &target, Datum value);

/// The row with the source's value in the target column. Raises the error that the value would make the row fail with:
/// of a cast, a domain, a CHECK constraint, a partition's bounds, a generated column, an index expression.
HeapTuple fill(const Filling &filling, Relation table, HeapTuple row, const Column &target, const Column &source,
			   Datum value);

} // namespace contact_sync
