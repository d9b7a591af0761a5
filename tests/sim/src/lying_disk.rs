//! A disk that breaks a promise now and then: a store on it must be found out, or the oracle checks nothing.
