
BmeanJÂ*CÞŸô¿